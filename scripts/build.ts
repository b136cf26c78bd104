/** `npm run build`: compiles what is published (tsconfig.build.json) into a fresh dist. */
import { build } from "./check/types.ts";

const output = await build("tsconfig.build.json");
console.log(output);
