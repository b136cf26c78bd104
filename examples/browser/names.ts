/** What this app calls its databases. */

/** The task hub. */
export const HUB = "browser-example";

/** The database with the picked files. */
export const FILES = "perdura-browser-example-files";
