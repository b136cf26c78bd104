/** What this app calls its databases. */

/** The task hub. */
export const HUB = "browser-example";
