import { lstatSync, readdirSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";

/** A file to publish. */
export interface LocalFile {
  /** Relative to where the command was given, with slashes. */
  readonly path: string;
  readonly absolute: string;
}

/** The files that the arguments name, and those below the folders that they name, by path. Links are left alone. */
export function localFiles(names: readonly string[]): readonly LocalFile[] {
  if (names.length === 0) throw new Error("name folders or files to publish: npm run demo -- docs src/core");
  const found = new Map(names.flatMap((name) => under(resolve(name))).map((absolute) => [absolute, pathOf(absolute)]));
  if (found.size === 0) throw new Error(`there is no file in ${names.join(", ")}`);
  const files = Array.from(found, ([absolute, path]) => ({ absolute, path }));
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}

function under(absolute: string): string[] {
  const stats = lstatSync(absolute, { throwIfNoEntry: false });
  if (stats === undefined) throw new Error(`there is no ${absolute}: name folders or files that exist`);
  if (stats.isFile()) return [absolute];
  return stats.isDirectory() ? readdirSync(absolute).flatMap((name) => under(join(absolute, name))) : [];
}

function pathOf(absolute: string): string {
  const path = relative(process.cwd(), absolute);
  // From elsewhere: its place counts from the root.
  return (path.startsWith("..") ? absolute.slice(1) : path).split(sep).join("/");
}
