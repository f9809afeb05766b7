/** Who works on it, and what has happened to the source's tables meanwhile. */

import type { Summary } from "../../api/types.ts";
import { bytes, dayAndClock } from "../../format.ts";
import { Panel } from "../../parts/Panel.tsx";
import { StatusWord } from "../../parts/StatusWord.tsx";

type Props = { readonly processes: NonNullable<Summary["processes"]>; readonly notices: NonNullable<Summary["notices"]> };

export function Processes({ processes, notices }: Props) {
  return (
    <Panel title="Processes">
      {processes.length === 0 ? (
        <p class="muted">No process has worked on it.</p>
      ) : (
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">Role</th>
              <th scope="col">State</th>
              <th scope="col">Where</th>
              <th scope="col" class="number">
                Memory
              </th>
            </tr>
          </thead>
          <tbody>
            {processes.map(({ role, host, pid, alive, rssBytes, startedAt }) => (
              <tr key={`${role} ${host} ${pid}`}>
                <th scope="row">{role}</th>
                <td>
                  <StatusWord tone={alive ? "good" : "idle"}>{alive ? "alive" : "gone"}</StatusWord>
                </td>
                <td title={`since ${dayAndClock(startedAt)}`}>
                  {host} <span class="muted">{pid}</span>
                </td>
                <td class="number">{bytes(rssBytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {notices.map(({ at, table, what, fix }) => (
        <div key={`${at} ${table}`} class="note note-warn">
          <strong>{table}</strong>
          <p>{what}</p>
          <p class="muted">
            {fix} ({dayAndClock(at)})
          </p>
        </div>
      ))}
    </Panel>
  );
}
