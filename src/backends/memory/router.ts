/** Everything lives in the one partition, so that no message ever leaves it. */
export { LocalRouter } from "../../core/partition/local-router.ts";
