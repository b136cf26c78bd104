/** The committed protobuf code is what the .proto files generate: otherwise somebody edited one and not the other. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./run.ts";

const GENERATED = "src/core/protocol/gen";

/** Path to content of every file below a folder. */
function contents(folder: string): Map<string, string> {
  if (!existsSync(folder)) return new Map();
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, "utf8")];
    }),
  );
}

export async function checkGenerated(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "perdura-proto-"));
  try {
    await run("buf", ["generate", "--output", folder]);
    const fresh = contents(join(folder, GENERATED));
    const committed = contents(GENERATED);
    if (fresh.size === 0) throw new Error(`buf generate wrote nothing to ${GENERATED}: see buf.gen.yaml.`);
    const differ = [...new Set([...fresh.keys(), ...committed.keys()])].filter(
      (path) => fresh.get(path) !== committed.get(path),
    );
    if (differ.length > 0) {
      throw new Error([`Out of date in ${GENERATED}; run \`npm run proto\`:`, ...differ.sort()].join("\n"));
    }
    return `${fresh.size} generated files are up to date`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
