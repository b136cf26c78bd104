import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as core from "../../src/core/index.ts";

test("docs/errors.md lists every code and class, and no code that does not exist", () => {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const source = readFileSync(new URL("../../src/core/errors.ts", import.meta.url), "utf8");
  const table = source.slice(source.indexOf("const NAMES"), source.indexOf("};", source.indexOf("const NAMES")));
  const known = [...table.matchAll(/^\s+(\w+): "(\w+)",$/gm)].map(([, code, name]) => ({
    code: code ?? "",
    name: name ?? "",
  }));
  expect(known.length).toBeGreaterThan(30);
  for (const { code, name } of known) expect(page, code).toContain(`| \`${code}\` | \`${name}\` |`);
  for (const { name } of known) expect(core, name).toHaveProperty(name);
  const listed = [...page.matchAll(/^\| `(\w+)` \| `\w+Error` \|/gm)].map(([, code]) => code);
  expect(new Set(listed)).toEqual(new Set(known.map(({ code }) => code)));
});
