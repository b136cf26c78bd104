/** WebKitGTK, which is not Safari but its engine: Debian's driver and its MiniBrowser, on a display of their own. */
import { existsSync, readdirSync } from "node:fs";
import { aptInstall, programPath } from "./browsers.ts";

/** The programs that a run in WebKitGTK needs. */
export interface WebKit {
  readonly driver: string;
  readonly browser: string;
  readonly display: string;
}

const LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
const PACKAGES = ["webkit2gtk-driver", "xvfb"];

/** Where WebKitGTK is. `undefined`: it is not installed, or `PERDURA_BROWSERS` leaves it out. */
export function webkit(): WebKit | undefined {
  if (process.env.PERDURA_BROWSERS?.split(",").includes("webkit") === false) return undefined;
  const driver = programPath("WebKitWebDriver");
  const display = programPath("Xvfb");
  const browser = miniBrowser();
  if (driver === undefined || display === undefined || browser === undefined) return undefined;
  return { driver, browser, display };
}

function miniBrowser(): string | undefined {
  for (const folder of LIBRARIES) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder).sort().reverse()) {
      const path = `${folder}/${name}/MiniBrowser`;
      if (name.startsWith("webkit2gtk") && existsSync(path)) return path;
    }
  }
  return undefined;
}

/** Installs WebKitGTK where that is possible without asking anybody. Returns what could not be had, in words. */
export async function installWebKit(): Promise<string[]> {
  if (webkit() !== undefined) return [];
  const why = await aptInstall(PACKAGES);
  return webkit() !== undefined ? [] : [`${without()}, and ${why ?? "apt-get did not bring it"}`];
}

/** What is left out without WebKitGTK. */
export function without(): string {
  return `the contract suite in WebKitGTK (packages ${PACKAGES.join(" and ")}): not installed`;
}
