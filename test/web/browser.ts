/** A headless browser that notes what a page must not do. */

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
