/** Who asks: by the token, or nobody by name on loopback. */

import { type Access, isAllowed, type TokenHolder } from "../access/index.ts";
import { RehouseError } from "../errors.ts";
import type { Caller } from "./caller.ts";
import type { Permission } from "./route.ts";

/** As long as a revoked token is still let in by this process; with each of many requests the target would be asked for nothing new. */
const KNOWN_FOR_MS = 1_000;
const MOST_KNOWN = 1_000;

export class Authentication {
  readonly #access: Access;
  readonly #onLoopback: boolean;
  readonly #known = new Map<string, { readonly holder: TokenHolder; readonly untilMs: number }>();

  constructor({ access, onLoopback }: { readonly access: Access; readonly onLoopback: boolean }) {
    this.#access = access;
    this.#onLoopback = onLoopback;
  }

  /**
   * `authorization`: the header. `isForwarded`: a proxy has passed the request on, so that it may come from anywhere. REHOUSE_UNAUTHENTICATED for a
   * token that is not good, also where none is needed.
   */
  async caller(of: {
    readonly authorization: string | undefined;
    readonly address: string;
    readonly isForwarded: boolean;
    readonly tokenless: Permission["tokenless"];
  }): Promise<Caller> {
    const { authorization, address, isForwarded, tokenless } = of;
    if (authorization === undefined) {
      const isAtHome = tokenless === "on loopback" && this.#onLoopback && !isForwarded;
      if (tokenless === "always" || isAtHome) return { token: null, name: null, role: "viewer", address };
      throw unauthenticated("a token is needed for this");
    }
    const text = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    const holder = text === undefined ? undefined : await this.#holderOf(text);
    if (holder === undefined) throw unauthenticated("the token is not one that is in use");
    return { token: holder.id, name: holder.name, role: holder.role, address };
  }

  async #holderOf(text: string): Promise<TokenHolder | undefined> {
    const known = this.#known.get(text);
    if (known !== undefined && known.untilMs > performance.now()) return known.holder;
    this.#known.delete(text);
    const holder = await this.#access.authenticate(text);
    if (holder === undefined) return undefined;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(text, { holder, untilMs: performance.now() + KNOWN_FOR_MS });
    return holder;
  }
}

/** Undefined: the caller's role is enough. */
export function forbidden(caller: Caller, { role }: Permission): RehouseError | undefined {
  if (isAllowed(caller.role, role)) return undefined;
  return new RehouseError("REHOUSE_FORBIDDEN", {
    what: `the role ${caller.role} may not do this: it takes ${role}`,
    fix: `rehouse serve token create --role ${role} --name ...`,
  });
}

function unauthenticated(what: string): RehouseError {
  return new RehouseError("REHOUSE_UNAUTHENTICATED", {
    what,
    fix: "send `Authorization: Bearer ...` with a token of `rehouse serve token create`",
  });
}
