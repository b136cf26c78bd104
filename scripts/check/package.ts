/** The package as npm would publish it: its exports resolve, with types, for everybody who imports ES modules. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./run.ts";

/** What `npm pack --json` says of a package. */
interface Packed {
  readonly filename: string;
  readonly entryCount: number;
  readonly size: number;
}

export async function checkPackage(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "perdura-pack-"));
  try {
    const listing = await run("npm", ["pack", "--json", "--silent", "--ignore-scripts", "--pack-destination", folder]);
    const packed = Object.values(JSON.parse(listing.slice(listing.search(/^[[{]/m))) as Packed[])[0];
    if (packed === undefined) throw new Error(`npm pack says: ${listing}`);
    const tarball = join(folder, packed.filename);
    await run("publint", ["run", tarball, "--strict"]);
    await run("attw", [tarball, "--profile", "esm-only", "--no-definitely-typed", "--no-color", "--no-emoji"]);
    return `publint and attw; ${packed.entryCount} files, ${(packed.size / 1000).toFixed(0)} kB packed`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
