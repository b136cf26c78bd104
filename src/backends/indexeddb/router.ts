/** A database is one partition: no message ever leaves it. */
export { LocalRouter } from "../../core/partition/local-router.ts";
