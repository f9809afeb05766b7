import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { isErrorCode } from "../../src/errors.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

async function pages(): Promise<string[]> {
  const found: string[] = [];
  for await (const page of glob(["*.md", "docs/**/*.md", "src/*/README.md", "ops/**/*.md"], { cwd: ROOT })) found.push(page);
  return found;
}

/** As GitHub makes an anchor of a heading. */
function anchors(text: string): Set<string> {
  const headings = [...text.matchAll(/^#{1,6} (.+)$/gm)].map((match) => match[1] ?? "");
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replaceAll(/\s/g, "-"),
    ),
  );
}

it("every link between pages leads to a page, a file or a heading that is there", async () => {
  const dead: string[] = [];
  for (const page of await pages()) {
    const text = await readFile(join(ROOT, page), "utf8");
    for (const [, link = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path = "", anchor] = link.split("#");
      const to = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, to))) dead.push(`${page}: ${link}`);
      else if (anchor !== undefined && to.endsWith(".md") && !anchors(await readFile(join(ROOT, to), "utf8")).has(anchor))
        dead.push(`${page}: ${link}`);
    }
  }
  expect(dead).toEqual([]);
});

it("every error code that a page names is one", async () => {
  for (const page of await pages()) {
    const named = (await readFile(join(ROOT, page), "utf8")).matchAll(/\bREHOUSE_[A-Z_]+\b/g);
    const unknown = [...named].map(([code]) => code).filter((code) => !isErrorCode(code) && !VARIABLES.has(code));
    expect(unknown, page).toEqual([]);
  }
});

const VARIABLES = new Set(["REHOUSE_DEBUG", "REHOUSE_LOG", "REHOUSE_FAILPOINTS", "REHOUSE_COMPARE_CHUNKS"]);
