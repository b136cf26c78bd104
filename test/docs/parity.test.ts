import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/parity.md", root), "utf8");

interface Row {
  readonly go: string;
  readonly here: string;
  readonly file: string;
  readonly shownBy: string;
}

const rows: readonly Row[] = page
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => {
    const [, go = "", here = "", file = "", shownBy = ""] = line.split("|").map((cell) => cell.trim());
    return { go, here, file, shownBy };
  });

test("every row of docs/parity.md names a file that exists and a test that is there under that name", () => {
  expect(rows.length).toBeGreaterThan(85);
  for (const { go, here, file, shownBy } of rows) {
    expect(here, go).not.toBe("");
    if (file.startsWith("src/connect")) continue;
    expect(existsSync(new URL(file, root)), `${go}: ${file}`).toBe(true);
    const colon = shownBy.indexOf(": ");
    const [source, name] = [shownBy.slice(0, colon), shownBy.slice(colon + 2)];
    expect(readFileSync(new URL(source, root), "utf8"), `${go}: ${source}`).toContain(name);
  }
});

test("every method of the Go page's Backend and client has a row", () => {
  const listed = new Set(rows.map(({ go }) => go.replaceAll("`", "")));
  for (const method of [
    "CreateTaskHub",
    "DeleteTaskHub",
    "Start",
    "Stop",
    "NextActivityWorkItem",
    "CancelActivityTask",
  ]) {
    expect(listed).toContain(`Backend.${method}`);
  }
  expect([...listed].filter((go) => go.startsWith("Backend."))).toHaveLength(23);
  expect([...listed].filter((go) => go.startsWith("TaskHubClient."))).toHaveLength(10);
});
