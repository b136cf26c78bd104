/** What bundlers are told, so that the package's own name means its source. */
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };

/** The package's entries by name, each mapped to its source as package.json maps it to what is built. */
export function packageSources(): { find: RegExp; replacement: string }[] {
  return Object.entries(manifest.exports).flatMap(([entry, target]) => {
    if (typeof target === "string") return [];
    const source = target.default.replace("./dist/", "./src/").replace(/\.js$/, ".ts");
    const name = `perdura${entry.slice(1)}`;
    return [{ find: new RegExp(`^${name}$`), replacement: fileURLToPath(new URL(`../${source}`, import.meta.url)) }];
  });
}
