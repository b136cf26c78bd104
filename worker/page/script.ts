import { cards } from "./script/cards.ts";
import { details } from "./script/details.ts";
import { dom } from "./script/dom.ts";
import { list } from "./script/list.ts";
import { publishing } from "./script/publishing.ts";

/**
 * The page's script, as browsers run it: its parts in one function, so that they see each other and nobody else sees them.
 * They use no template literal, since they are some here.
 */
export const script: string = `"use strict";
(() => {
${[dom, publishing, cards, details, list].join("")}
poll();
})();
`;
