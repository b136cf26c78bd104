import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const pages = ["README.md", "CHANGELOG.md", "docs/**/*.md", "examples/*/README.md"]
  .flatMap((pattern) => globSync(pattern, { cwd: root }))
  .sort();

/** Our own folders, as a text names them. */
const NAMED_FILE = /(?<![\w./@-])(?:src|test|docs|examples|scripts|bench|worker|proto)\/[\w./*-]*[\w*]/g;

/** What a heading is linked by. */
function anchorOf(heading: string): string {
  const words = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "");
  return words.trim().replaceAll(" ", "-");
}

function anchorsOf(text: string): Set<string> {
  return new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading)));
}

describe.each(pages)("%s", (page) => {
  const text = readFileSync(join(root, page), "utf8");

  test("links to files and headings that exist", () => {
    for (const [link, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? join(root, page) : join(root, dirname(page), path);
      expect(existsSync(file), link).toBe(true);
      expect(relative(root, file).startsWith(".."), `${link} stays in the repository`).toBe(false);
      if (anchor !== undefined) expect(anchorsOf(readFileSync(file, "utf8")), link).toContain(anchor);
    }
  });

  test("names files that exist", () => {
    for (const [name] of text.matchAll(NAMED_FILE)) {
      const found = name.includes("*") ? globSync(name, { cwd: root }).length > 0 : existsSync(join(root, name));
      expect(found, name).toBe(true);
    }
  });
});

test("there are pages to check", () => {
  expect(pages.length).toBeGreaterThan(5);
});

describe("docs/rules.md", () => {
  const text = readFileSync(join(root, "docs/rules.md"), "utf8");
  const sections = text.split(/^## /m).slice(1);

  test("has ten rules, each with code and tests", () => {
    expect(sections.map((section) => Number.parseInt(section, 10))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const section of sections) expect(section).toMatch(/^Kept in .*`src\/.*^- \[/ms);
  });

  test("names tests by their titles, all files of the rules' tests among them", () => {
    const named = [...text.matchAll(/^- \[[^\]]+\]\(\.\.\/([^)]+)\): (.+)$/gm)];
    for (const [, file = "", title = ""] of named)
      expect(readFileSync(join(root, file), "utf8"), file).toContain(title);
    const files = new Set(named.map(([, file]) => file));
    for (const file of globSync("test/core/partition/rules/*.test.ts", { cwd: root })) expect(files).toContain(file);
  });
});
