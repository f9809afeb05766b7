/** Where a rehearsal takes place: its databases, and what the move on them leaves in Kafka and the registry. */

import { preflightError } from "../check/index.ts";
import { hasBegun } from "../control/begin.ts";
import { removeTopic } from "../control/remove-topic.ts";
import type { MigrationFile } from "../file/index.ts";
import type { Database } from "../ports.ts";
import { asRehouseError } from "../server-failure.ts";
import type { Elsewhere } from "../systems.ts";
import type { Lacking } from "./document.ts";
import { scratchDatabase } from "./names.ts";
import { copiesOf, rehearsalFile, type Whereabouts } from "./rehearsal-file.ts";
import { createPrivilege, createScratch, dropScratch, dropSlots, isThere } from "./scratch.ts";

export type GroundDeps = {
  readonly file: MigrationFile;
  readonly source: Database;
  readonly target: Database;
  readonly elsewhere: Elsewhere;
  readonly at: Whereabouts;
};

export class Ground implements AsyncDisposable {
  /** Of the copy. */
  readonly file: MigrationFile;
  readonly source: Database;
  readonly target: Database;
  readonly #deps: GroundDeps;
  readonly #close: () => Promise<void>;
  readonly #admin: Database;
  /** Each with the database that it is made like. */
  readonly #databases: readonly (readonly [name: string, like: Database])[];
  /** The comment that tells it from everybody else's database of the name. */
  readonly #mark: string;

  constructor(deps: GroundDeps) {
    const { file, source, target, elsewhere, at } = deps;
    this.#deps = deps;
    this.file = rehearsalFile(file, copiesOf(file, at));
    const { systems } = elsewhere.systems(this.file);
    this.source = systems.source;
    this.target = systems.target;
    this.#close = systems.close;
    this.#admin = at.on === null ? target : elsewhere.database({ url: at.on, replicationUrl: at.on, tls: undefined });
    const copies = [[scratchDatabase(file.name, "target"), target] as const];
    this.#databases = at.inPlace ? copies : [[scratchDatabase(file.name, "source"), source], ...copies];
    this.#mark = `rehouse rehearsal of ${file.name} to ${target.place}`;
  }

  get databases(): string[] {
    return this.#databases.map(([name]) => `${name} (${this.#admin.place})`);
  }

  /** Empty databases; what a rehearsal that died has left is removed before. REHOUSE_PREFLIGHT where they may not be made. */
  async prepare(): Promise<Lacking[]> {
    const findings = await createPrivilege(this.#admin);
    if (findings.length > 0) throw preflightError(findings);
    if ((await this.#there()).length > 0) await this.#remove(false);
    const lacking: Lacking[] = [];
    try {
      for (const [name, like] of this.#databases)
        if (!(await createScratch(this.#admin, name, like, this.#mark)))
          lacking.push({ what: "its collation, which the rehearsal's server does not have", place: like.place });
    } catch (error) {
      await this.clear(false);
      throw error;
    }
    return lacking;
  }

  /** Resolves to what could not be removed; the next rehearsal tries it again. */
  async clear(keep: boolean): Promise<string[]> {
    try {
      await this.#remove(keep);
      return [];
    } catch (error) {
      return [`not all of the copy could be removed, the next rehearsal tries it again: ${asRehouseError(error).message}`];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    if (this.#admin !== this.#deps.target) await this.#admin.close();
  }

  /** The databases go last: as long as they are there it is known what else is to be removed. */
  async #remove(keep: boolean): Promise<void> {
    const there = await this.#there();
    if (there.includes(scratchDatabase(this.#deps.file.name, "target"))) await this.#removeTopics();
    await dropSlots(this.#admin, there);
    if (keep) return;
    for (const name of there) await dropScratch(this.#admin, name);
  }

  async #there(): Promise<string[]> {
    const there: string[] = [];
    for (const [name] of this.#databases) if (await isThere(this.#admin, name, this.#mark)) there.push(name);
    return there;
  }

  /** Only where the copy's own state says that it began: topics of this name may be those of a migration that is called like this. */
  async #removeTopics(): Promise<void> {
    // Connections of their own: they end before the database is dropped, and maybe made again.
    const { systems, mirror } = this.#deps.elsewhere.systems(this.file);
    try {
      if (!(await hasBegun(systems.target, this.file.name))) return;
      for (const topic of [systems.topic, mirror.topic, systems.routes.topic]) await removeTopic(topic, systems.registry);
    } finally {
      await systems.close();
    }
  }
}
