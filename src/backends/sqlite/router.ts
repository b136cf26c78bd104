/** Everything lives in the one partition. */
export { LocalRouter } from "../memory/router.ts";
