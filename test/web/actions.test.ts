/** What is done from the dashboard, in a real browser: by the keyboard, with the name to type, and with nothing offered that the role may not do. */

import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TenantStatus } from "../../src/cli/documents.ts";
import { tenantAt } from "../../web/src/shell/routes.ts";
import { tenant } from "../cli/support.ts";
import { go, launch, open, violations } from "./browser.ts";
import { type Doer, doer, HISTORY, HOSTILE } from "./deeds.ts";
import { statusAt } from "./standing.ts";
import { builtDashboard, chromium, type Served, served } from "./support.ts";

const program = chromium();
if (program === undefined)
  process.stderr.write(
    "dashboard: no Chromium on this machine (PATH, REHOUSE_CHROMIUM); its actions are not tested in a browser\n",
  );

const LIGHT: BrowserContextOptions = { colorScheme: "light" };
const SOAKED = { until: "2026-01-01T00:00:00Z", tripped: [], problems: [] };
const TENANTS: TenantStatus[] = [
  tenant("42", "in-sync"),
  tenant("43", "in-sync"),
  tenant("globex", "in-sync"),
  tenant("soaked", "soaking", { soak: SOAKED }),
  tenant(HOSTILE, "soaking", { soak: SOAKED }),
  tenant("stuck", "catching-up", {
    stopped: { code: "REHOUSE_CHANGE_REFUSED", what: "the target refused it", position: "0/1A2B3C4:17", fix: "mend it" },
  }),
];

describe.skipIf(program === undefined)("the dashboard's actions in a browser", () => {
  let browser: Browser;
  let built: Awaited<ReturnType<typeof builtDashboard>>;

  beforeAll(async () => {
    [built, browser] = await Promise.all([builtDashboard(), launch(program ?? "")]);
  });

  afterAll(async () => {
    await browser?.close();
    built?.[Symbol.dispose]();
  });

  /** The dashboard of `token` at `hash`, over an engine of its own. */
  async function at(hash: string, token: string, more: Partial<Doer["engine"]> = {}, options = LIGHT) {
    const does = doer();
    const home: Served = await served({
      dashboard: built.directory,
      status: () => statusAt(TENANTS, 1),
      engine: { history: HISTORY, ...does.engine, ...more },
    });
    const look = await open(browser, `${home.url}${hash}`, options, token);
    return {
      ...{ page: look.page, complaints: look.complaints, asked: does.asked, letGo: does.letGo, home },
      [Symbol.asyncDispose]: async () => {
        await look[Symbol.asyncDispose]();
        await home[Symbol.asyncDispose]();
      },
    };
  }

  it("switch a tenant by the keyboard alone: the gate first, then the switch as it goes, then what came of it", async () => {
    await using it = await at(tenantAt("42"), "otto");
    const { page, asked, letGo } = it;
    const button = page.getByRole("button", { name: "Switch to the target" });
    await button.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Switch to the target: 42" });
    await dialog.getByText("The gate would open.").waitFor();
    expect(await dialog.getByRole("list", { name: "Gate of 42" }).getByText("met", { exact: true }).count()).toBe(12);
    expect(await dialog.locator("dl").textContent()).toContain("Its writers would wait42 ms");
    expect(asked).toEqual([{ verb: "cutover", asked: expect.objectContaining({ tenants: ["42"], dryRun: true }) }]);
    expect(await violations(page)).toEqual([]);
    await tabTo(page, "Switch to the target");
    await page.keyboard.press("Enter");
    await dialog.getByText("It goes on when this is closed").waitFor();
    expect(asked.at(-1)).toMatchObject({ verb: "cutover", asked: { tenants: ["42"], dryRun: false, by: "otto (API)" } });
    letGo();
    await dialog.getByText("lives at the target; its writers waited 38 ms").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Switch to the target");
    expect(it.complaints).toEqual([]);
  });

  it("say what the gate is against, and do not switch while it is", async () => {
    await using it = await at(tenantAt("globex"), "otto");
    const { page, asked } = it;
    await page.getByRole("button", { name: "Switch to the target" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("The gate would not open.").waitFor();
    expect(await dialog.getByRole("listitem").filter({ hasText: "No row differs" }).textContent()).toMatch(
      /^not met.*3, limit 0/,
    );
    expect(await dialog.getByRole("button", { name: "Switch to the target" }).isDisabled()).toBe(true);
    await page.keyboard.press("Escape");
    expect(asked).toHaveLength(1);
  });

  it("ask the gate no longer than somebody waits for its answer", async () => {
    let isAsked = true;
    const cutover: Doer["engine"]["cutover"] = (_options, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          isAsked = false;
          reject(signal.reason);
        }),
      );
    await using it = await at(tenantAt("42"), "otto", { cutover });
    await it.page.getByRole("button", { name: "Switch to the target" }).click();
    const dialog = it.page.getByRole("dialog");
    await dialog.getByText("Asking the gate; nothing is changed").waitFor();
    expect(await dialog.getByRole("button", { name: "Switch to the target" }).isDisabled()).toBe(true);
    await it.page.keyboard.press("Escape");
    await expect.poll(() => isAsked).toBe(false);
  });

  it("say it where nobody knows any more how an operation gets on", async () => {
    await using it = await at(tenantAt("42"), "otto");
    const { page, home } = it;
    await page.getByRole("button", { name: "Switch to the target" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("The gate would open.").waitFor();
    await dialog.getByRole("button", { name: "Switch to the target" }).click();
    await dialog.getByText("It goes on when this is closed").waitFor();
    // A server that was started anew has never heard of it.
    await home.stop();
    await home.start();
    await dialog.getByText("REHOUSE_NOT_FOUND").waitFor();
    expect(await dialog.textContent()).toContain("it may go on all the same");
    expect(await violations(page)).toEqual([]);
  });

  it("remove nothing before the name is typed, whatever the name is", async () => {
    for (const name of ["soaked", HOSTILE]) {
      await using it = await at(tenantAt(name), "ada");
      const { page, asked } = it;
      await page.getByRole("button", { name: "Contract" }).click();
      const dialog = page.getByRole("dialog");
      const remove = dialog.getByRole("button", { name: "Remove it from its old home" });
      const field = dialog.getByRole("textbox");
      const shown = (await dialog.locator(".typed-name").textContent()) ?? "";
      for (const wrong of ["", shown.slice(0, -1), `${shown}x`, shown.toUpperCase()]) {
        await field.fill(wrong);
        expect(await remove.isDisabled(), wrong).toBe(true);
      }
      await page.keyboard.press("Enter");
      expect(asked).toEqual([]);
      await field.fill(shown);
      expect(await violations(page)).toEqual([]);
      await remove.click();
      await dialog.getByText("48,211 rows removed").waitFor();
      expect(asked).toEqual([{ verb: "contract", asked: expect.objectContaining({ tenants: [name], now: false }) }]);
      expect(it.complaints).toEqual([]);
    }
  });

  it("give a move up only by name, and leave a tenant's rows that somebody else has led back meanwhile", async () => {
    await using it = await at(tenantAt("43"), "otto");
    await it.page.getByRole("button", { name: "Give the move up" }).click();
    const dialog = it.page.getByRole("dialog");
    const give = dialog.getByRole("button", { name: "Give the move up" });
    expect(await give.isDisabled()).toBe(true);
    await dialog.getByRole("textbox").fill("43");
    await give.click();
    await dialog.getByText("It goes on when this is closed").waitFor();
    expect(it.asked.at(-1)).toMatchObject({ verb: "rollback", asked: { tenants: ["43"], keep: false, dryRun: false } });
    it.letGo();
    await using other = await at(tenantAt("soaked"), "otto");
    await other.page.getByRole("button", { name: "Lead back to the source" }).click();
    await other.page.getByRole("dialog").getByRole("button", { name: "Lead back to the source" }).click();
    await other.page.getByText("It goes on when this is closed").waitFor();
    expect(other.asked.at(-1)).toMatchObject({ verb: "rollback", asked: { tenants: ["soaked"], keep: true, dryRun: false } });
  });

  it("end the migration by its name, and can be read in the dark and on a telephone", async () => {
    await using it = await at("#/operations", "ada", {}, { colorScheme: "dark", viewport: { width: 360, height: 740 } });
    const { page, asked } = it;
    await page.getByRole("button", { name: "End the migration" }).click();
    const dialog = page.getByRole("dialog");
    const end = dialog.getByRole("button", { name: "End it" });
    await dialog.getByRole("textbox").fill("move-enterpris");
    expect(await end.isDisabled()).toBe(true);
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole("textbox").fill("move-enterprise");
    await end.click();
    await dialog.getByText("It is over.").waitFor();
    expect(asked).toEqual([{ verb: "cancel", asked: {} }]);
    await page.keyboard.press("Escape");
    for (const [name, button] of [
      ["globex", "Switch to the target"],
      ["43", "Give the move up"],
      [HOSTILE, "Contract"],
    ] as const) {
      await go(page, tenantAt(name));
      await page.getByRole("button", { name: button }).click();
      await dialog
        .getByText(/not met|Type the name/)
        .first()
        .waitFor();
      expect(await violations(page), button).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    }
    expect(it.complaints).toEqual([]);
  });

  it("are offered to those who may, and to others with a word why not", async () => {
    await using viewer = await at(tenantAt("soaked"), "vera");
    await viewer.page.getByText("it takes the role operator; this token has the role viewer").waitFor();
    expect(
      await viewer.page
        .locator("main")
        .getByRole("button", { name: /Lead back|Contract/ })
        .count(),
    ).toBe(0);
    await go(viewer.page, "#/throttle");
    await viewer.page.getByText("Pause, resume and a ceiling for the pace: it takes the role operator").waitFor();
    await using operator = await at(tenantAt("soaked"), "otto");
    await operator.page.getByRole("button", { name: "Lead back to the source" }).waitFor();
    await operator.page.getByText("Contract: it takes the role admin; this token has the role operator").waitFor();
  });

  it("have a stopped tenant go on, with its change or without that one", async () => {
    await using it = await at(tenantAt("stuck"), "otto");
    const { page, asked } = it;
    await page.getByRole("button", { name: "Try the change again" }).click();
    await page.getByText("It goes on.").waitFor();
    await page.getByRole("button", { name: "Skip the change" }).click();
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "Go on without it" }).click();
    await page.getByText("It goes on without the change.").waitFor();
    expect(asked.map(({ verb, asked: { by: _, ...rest } }) => [verb, rest])).toEqual([
      ["retry", { tenants: ["stuck"] }],
      ["skip", { tenant: "stuck", position: "0/1A2B3C4:17" }],
    ]);
  });

  it("hold the migration back for a while, and set a ceiling for a role", async () => {
    await using it = await at("#/throttle", "otto");
    const { page, asked } = it;
    await page.getByRole("combobox", { name: "Hold copying and applying back" }).selectOption("for 2 hours");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("Paused.").waitFor();
    await page.getByLabel("At most").fill("30");
    await page.getByRole("combobox", { name: "Role" }).selectOption("backfill");
    await page.getByRole("button", { name: "Set the ceiling" }).click();
    await page.getByText("The ceiling is set.").waitFor();
    expect(asked.map(({ asked: { forMs, pace, role } }) => ({ forMs, pace, role }))).toEqual([
      { forMs: 7_200_000, pace: undefined, role: undefined },
      { forMs: undefined, pace: 0.3, role: "backfill" },
    ]);
  });

  it("are followed and cancelled in Operations, and switch several tenants at once", async () => {
    await using it = await at("#/tenants", "otto");
    const { page, asked } = it;
    const grid = page.getByRole("grid", { name: "Tenants" });
    await grid.getByText("42", { exact: true }).waitFor();
    await grid.focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    await page.getByText("2 tenants chosen").waitFor();
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "Switch 2 to the target" }).click();
    const dialog = page.getByRole("dialog", { name: "Switch to the target: 2 tenants" });
    await dialog.getByText("its writers would wait about 42 ms").first().waitFor();
    await dialog.getByRole("button", { name: "Switch to the target" }).click();
    await dialog.getByText("It goes on when this is closed").waitFor();
    expect(asked.at(-1)).toMatchObject({ verb: "cutover", asked: { tenants: ["42", "43"], dryRun: false } });
    await page.keyboard.press("Escape");
    await go(page, "#/operations");
    const row = page.getByRole("listitem").filter({ hasText: "under way" });
    await row.getByRole("button", { name: "Cancel the operation" }).click();
    await page.getByRole("listitem").filter({ hasText: "cancelledcutover" }).waitFor();
    expect(await violations(page)).toEqual([]);
    expect(it.complaints).toEqual([]);
  });
});

/** By Tab, as somebody without a mouse gets there. */
async function tabTo(page: Page, text: string): Promise<void> {
  for (let n = 0; n < 20; n++) {
    if ((await page.evaluate(() => document.activeElement?.textContent)) === text) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not get to ${text}`);
}
