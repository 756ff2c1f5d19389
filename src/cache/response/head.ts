/** What the answer to a HEAD tells of the stored answer to a GET: RFC 9111, section 4.3.5. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import onHeaders from "on-headers";
import type { Product } from "../coalescing.ts";
import type { Entry } from "../store/entry.ts";
import { confirmed } from "./confirmation.ts";
import type { Assignment } from "./product.ts";
import { UNWATCHED, watchSession } from "./session-watch.ts";

/** What becomes of the stored response. */
export interface HeadOutcome {
  /** It still holds, and has the fields that the HEAD's answer has. */
  confirmed(product: Product): void;
  /** It is another one's by now. */
  outdated(): void;
}

const VALIDATORS = ["etag", "last-modified"];

function isSame(entry: Entry, fields: OutgoingHttpHeaders): boolean {
  const length = fields["content-length"];
  if (length !== undefined && Number(length) !== entry.body.length) return false;
  return VALIDATORS.every(
    (name) => fields[name] === undefined || String(fields[name]) === String(entry.fields[name]),
  );
}

/** Watches the answer to a HEAD. One that is somebody's own says nothing of what is stored for all. */
export function watchHead(
  request: IncomingMessage,
  response: ServerResponse,
  assignment: Assignment,
  outcome: HeadOutcome,
): void {
  const { entry } = assignment.previous!;
  const baseline = { ...response.getHeaders() };
  const askedAt = Date.now();
  const asked = { ...request.headers };
  const session = assignment.place.isAnonymous ? watchSession(request) : UNWATCHED;
  let made: ReturnType<typeof confirmed> | undefined;
  onHeaders(response, () => {
    session.stop();
    if (response.statusCode !== entry.status) return;
    const said = { ...response.getHeaders() };
    const exchange = { said, baseline, asked, askedAt, answeredAt: Date.now() };
    made = isSame(entry, said)
      ? confirmed(assignment, { entry, ...exchange })
      : { refusal: "another" };
  });
  response.once("finish", () => {
    // Set until the header left, by whomever.
    const isSomebodys = session.wasTouched() || response.getHeader("Set-Cookie") !== undefined;
    if (made === undefined || isSomebodys) return;
    if ("refusal" in made) outcome.outdated();
    else outcome.confirmed(made);
  });
}
