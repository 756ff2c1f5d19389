/** What the cases of stale responses share: directives that forbid them, and handlers that fail. */
import type { Answer } from "../../support/http-cache.ts";

/** Fresh for ten seconds, and not a second longer. */
export const FORBIDDING: readonly string[] = [
  "must-revalidate, max-age=10",
  "MUST-REVALIDATE, max-age=10",
  "proxy-revalidate, max-age=10",
  "s-maxage=10",
  "s-maxage=10, max-age=600",
];

/** An error that the handler answers. */
export const broken = (status: number): Answer => ({ status, body: "broken" });

/** A handler that fails before it answers. */
export const THROWS: Answer = {
  end: () => {
    throw new Error("out of order");
  },
};
