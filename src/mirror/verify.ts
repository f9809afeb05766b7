/** Compares each tenant along the feed that it is in: one that has been switched along the feed home, where the target holds the truth. */

import { secretColumns } from "../evidence/index.ts";
import { mirrorName } from "../model/mirror.ts";
import type { EngineDeps } from "../systems.ts";
import { readTenants, type VerifyDocument, type VerifyRequest, verify } from "../verify/index.ts";
import { readArmed } from "./armed.ts";
import { type ForwardMove, mirrorMapping, mirrorSecrets } from "./mapping.ts";

export async function verifyAlongFeeds(
  { file, systems, mirror }: Pick<EngineDeps, "file" | "systems" | "mirror">,
  move: ForwardMove,
  request: VerifyRequest,
  signal: AbortSignal,
): Promise<VerifyDocument> {
  const { source, target } = systems;
  const { mapping } = move;
  const asked = await readTenants(target, file.name, request.tenants);
  const isAway = ({ phase }: { phase: string }) => phase === "soaking";
  const away = asked.filter(isAway).map(({ tenant }) => tenant);
  const armed = away.length === 0 ? undefined : await readArmed(mirror.target, file.name);
  const there = { migration: file.name, mapping, source, target, secrets: secretColumns(file, mapping) };
  if (armed === undefined) return verify(there, request, signal);
  const back = mirrorMapping(move, armed.units);
  const home = {
    migration: mirrorName(file.name),
    mapping: back,
    source: mirror.source,
    target: mirror.target,
    secrets: mirrorSecrets(file, mapping, back),
  };
  const others = asked.filter((tenant) => !isAway(tenant)).map(({ tenant }) => tenant);
  const forward = await verify(there, { ...request, tenants: others }, signal);
  const reverse = await verify(home, { ...request, tenants: away }, signal);
  const found = new Map([
    ...forward.tenants.map((tenant) => [tenant.tenant, tenant] as const),
    ...reverse.tenants.map((tenant) => [tenant.tenant, { ...tenant, phase: "soaking", direction: "reverse" as const }] as const),
  ]);
  return {
    formatVersion: 1,
    equal: forward.equal && reverse.equal,
    tenants: asked.flatMap(({ tenant }) => found.get(tenant) ?? []),
  };
}
