/** Runs a program of node_modules/.bin (first on PATH, thanks to the bootstrap) and gives its output. */
import { spawn } from "node:child_process";

/** @throws Error with the program's output as its message when it fails. */
export function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(output.trim());
      else reject(new Error(output.trim() || `${program} ended with code ${code}.`));
    });
  });
}
