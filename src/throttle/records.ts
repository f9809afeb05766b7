/** The state tables of the throttle: the controller's word, its history, and what operators have set. */

import { z } from "zod";
import type { ThrottleSettings } from "../file/index.ts";
import type { Database, Session } from "../ports.ts";
import type { Because, Decision } from "./controller.ts";
import { type Ceilings, PACED_ROLES, type PacedRole, type Word } from "./roles.ts";
import type { Worded } from "./signal.ts";
import { windowAt, windowInWords } from "./windows.ts";

/** A controller's word counts for so long: of one that is gone nobody knows whether its reason still holds. */
const FRESH = "5 seconds";

const becauseSchema = z.object({ signal: z.string(), value: z.string(), limit: z.string(), since: z.string() });
const signalSchema = z.object({
  signal: z.string(),
  value: z.string(),
  limit: z.string(),
  level: z.enum(["ok", "slow", "pause"]),
});
const setSchema = z.object({
  role: z.string(),
  pace: z.number(),
  by: z.string(),
  since: z.string(),
  until: z.string().nullable(),
});
const pauseSchema = z.object({ by: z.string(), since: z.string(), until: z.string().nullable() });

export type SetPace = z.infer<typeof setSchema>;
export type Pause = z.infer<typeof pauseSchema>;

export type Known = {
  /** As the migration's row says, a pause whose time is over being none. */
  readonly isPaused: boolean;
  readonly pause: Pause | undefined;
  readonly sets: readonly SetPace[];
  /** Undefined: no controller lives. */
  readonly word: (Word & { readonly because: Because | undefined; readonly signals: readonly Worded[] }) | undefined;
};

const utc = (sql: string) => `to_char(${sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

const KNOWN = `
  SELECT m.state = 'paused' AND coalesce(p.until > clock_timestamp(), true) AS is_paused,
         CASE WHEN p.migration IS NOT NULL THEN json_build_object('by', p.set_by, 'since', ${utc("p.set_at")}, 'until', ${utc("p.until")}) END AS pause,
         coalesce((SELECT json_agg(json_build_object('role', s.role, 'pace', s.pace, 'by', s.set_by, 'since', ${utc("s.set_at")}, 'until', ${utc("s.until")}) ORDER BY s.role)
            FROM rehouse.pace AS s WHERE s.migration = m.name AND coalesce(s.until > clock_timestamp(), true)), '[]') AS sets,
         t.pace, t.spares, t.because, t.signals, coalesce(t.decided_at > clock_timestamp() - interval '${FRESH}', false) AS is_fresh
    FROM rehouse.migration AS m
    LEFT JOIN rehouse.throttle AS t ON t.migration = m.name
    LEFT JOIN rehouse.pause AS p ON p.migration = m.name
   WHERE m.name = $1`;

/** Undefined: the migration has not begun. */
export async function readKnown(target: Pick<Database, "query">, migration: string): Promise<Known | undefined> {
  const [row] = await target.query(KNOWN, [migration]);
  if (row === undefined) return undefined;
  const isPaused = row["is_paused"] === "t";
  return {
    isPaused,
    pause: isPaused && row["pause"] ? pauseSchema.parse(JSON.parse(row["pause"])) : undefined,
    sets: z.array(setSchema).parse(JSON.parse(row["sets"] ?? "[]")),
    word:
      row["is_fresh"] === "t"
        ? {
            pace: Number(row["pace"]),
            sparesApply: row["spares"] === "t",
            because: row["because"] ? becauseSchema.parse(JSON.parse(row["because"])) : undefined,
            signals: z.array(signalSchema).parse(JSON.parse(row["signals"] ?? "[]")),
          }
        : undefined,
  };
}

/** What people have set: by verb, in the file, by the clock. */
export function ceilingsOf(known: Pick<Known, "sets">, settings: ThrottleSettings, now: Date): Ceilings {
  const roles: Partial<Record<PacedRole, number>> = {};
  for (const { role, pace } of known.sets) {
    const named = PACED_ROLES.find((each) => each === role);
    if (named !== undefined) roles[named] = pace;
  }
  return { all: setForAll(known, settings, now).pace, roles };
}

/** The lowest of them, and who set it. */
export function setForAll(
  { sets }: Pick<Known, "sets">,
  settings: ThrottleSettings,
  now: Date,
): { readonly pace: number; readonly because: Because | undefined } {
  const window = windowAt(settings.windows, now);
  const set = sets.find(({ role }) => role === "");
  const all = [
    ...(set === undefined ? [] : [{ pace: set.pace, because: setBecause(set) }]),
    ...(window === undefined
      ? []
      : [{ pace: window.pace, because: because(`window ${windowInWords(window)}`, window.pace, "its end", now) }]),
    {
      pace: settings.pace,
      because: settings.pace < 1 ? because("the file's pace", settings.pace, "the file changes", now) : undefined,
    },
  ];
  return all.toSorted((a, b) => a.pace - b.pace)[0] ?? { pace: 1, because: undefined };
}

export function setBecause({ pace, by, since, until }: SetPace): Because {
  return {
    signal: `operator ${by}`,
    value: `asks for ${percent(pace)}`,
    limit: `${percent(pace)} until ${until ?? "it is set anew"}`,
    since,
  };
}

export function pauseBecause(pause: Pause | undefined, now: Date): Because {
  if (pause === undefined) return { signal: "operator", value: "paused it", limit: "until resume", since: now.toISOString() };
  return { signal: `operator ${pause.by}`, value: "paused it", limit: `until ${pause.until ?? "resume"}`, since: pause.since };
}

function because(signal: string, pace: number, until: string, now: Date): Because {
  return { signal, value: "holds now", limit: `${percent(pace)} until ${until}`, since: now.toISOString() };
}

function percent(pace: number): string {
  return `${Math.round(pace * 100)} %`;
}

export async function writeWord(
  session: Session,
  migration: string,
  decision: Decision,
  signals: readonly Worded[],
): Promise<void> {
  await session.query(
    `INSERT INTO rehouse.throttle (migration, pace, spares, because, signals, decided_at) SELECT name, $2, $3, $4, $5, clock_timestamp() FROM rehouse.migration WHERE name = $1
     ON CONFLICT (migration) DO UPDATE SET pace = excluded.pace, spares = excluded.spares, because = excluded.because, signals = excluded.signals, decided_at = excluded.decided_at`,
    [migration, String(decision.pace), decision.sparesApply ? "t" : "f", json(decision.because), JSON.stringify(signals)],
  );
}

const KEPT_CHANGES = 500;

export async function writeChange(session: Session, migration: string, { pace, because }: Decision): Promise<void> {
  await session.query(
    "INSERT INTO rehouse.throttle_change (migration, pace, because) SELECT name, $2, $3 FROM rehouse.migration WHERE name = $1",
    [migration, String(pace), json(because)],
  );
  await session.query(
    `DELETE FROM rehouse.throttle_change WHERE migration = $1 AND change <= (SELECT change FROM rehouse.throttle_change WHERE migration = $1 ORDER BY change DESC OFFSET ${KEPT_CHANGES} LIMIT 1)`,
    [migration],
  );
}

export type Change = { readonly at: string; readonly pace: number; readonly because: Because | null };

/** The newest ones, newest first. */
export async function readChanges(target: Pick<Database, "query">, migration: string, limit: number): Promise<Change[]> {
  const rows = await target.query(
    `SELECT ${utc("at")} AS at, pace, because FROM rehouse.throttle_change WHERE migration = $1 ORDER BY change DESC LIMIT $2`,
    [migration, String(limit)],
  );
  return rows.map((row) => ({
    at: row["at"] ?? "",
    pace: Number(row["pace"]),
    because: row["because"] ? becauseSchema.parse(JSON.parse(row["because"])) : null,
  }));
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
