/** A headless browser that notes what a page must not do. */

import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium as driver, type Page } from "playwright-core";

/** Chromium as root, without a screen, without questions to its maker. `--disable-gpu`: what is drawn is drawn by the processor. */
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];

export function launch(executablePath: string): Promise<Browser> {
  return driver.launch({ executablePath, headless: true, args: FLAGS });
}

export type Look = {
  readonly page: Page;
  /** Errors and warnings of the console, violations of the policy, errors that nobody has caught, requests to anywhere else. */
  readonly complaints: string[];
} & AsyncDisposable;

/** A page with nothing kept from another one. `token`: signed in from the beginning. */
export async function open(browser: Browser, url: string, options: BrowserContextOptions = {}, token?: string): Promise<Look> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  if (token !== undefined) await context.addInitScript((text) => sessionStorage.setItem("rehouse-token", text), token);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin)) complaints.push(`asks elsewhere: ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

/** Goes to a view and waits until what it shows has come. */
export async function go(page: Page, hash: string): Promise<void> {
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
  await page.locator("main .panel, main .grid").first().waitFor();
  await page.locator(".loading").waitFor({ state: "detached" });
}

type Axe = {
  run(options: {
    runOnly?: string[];
  }): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }>;
};

/** What keeps somebody out, as axe finds it; `rules` undefined: all that it knows. */
export async function violations(page: Page, rules?: string[]): Promise<unknown[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(
    (only) => (globalThis as unknown as { axe: Axe }).axe.run(only),
    rules === undefined ? {} : { runOnly: rules },
  );
  return found.violations.map(({ id, nodes }) => ({
    id,
    nodes: nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`),
  }));
}
