/** What the answer to a HEAD tells of the stored answer to a GET: RFC 9111, section 4.3.5. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import onHeaders from "on-headers";
import type { Product } from "../coalescing.ts";
import type { Entry } from "../store/entry.ts";
import { type Assignment, assemble, updated } from "./product.ts";
import { type Judged, ownFields } from "./storable.ts";
import { termsOf } from "./terms.ts";

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

/** Watches the answer to a HEAD. */
export function watchHead(
  request: IncomingMessage,
  response: ServerResponse,
  { plan, previous, ...assignment }: Assignment,
  outcome: HeadOutcome,
): void {
  const { entry } = previous!;
  const baseline = { ...response.getHeaders() };
  const askedAt = Date.now();
  const asked = { ...request.headers };
  onHeaders(response, () => {
    if (response.statusCode !== entry.status) return;
    const said = { ...response.getHeaders() };
    if (!isSame(entry, said)) return outcome.outdated();
    const answeredAt = Date.now();
    const fields = updated(entry.fields, ownFields(said, baseline), answeredAt);
    const judged: Judged = {
      status: entry.status,
      fields,
      baseline: {},
      vary: plan.vary,
      isOrigin: true,
      takesNotFound: true,
    };
    const terms = termsOf(plan, { ...judged, request: asked, askedAt, answeredAt });
    if ("refusal" in terms) return outcome.outdated();
    const how = { fields, body: entry.body, isValidatable: entry.isValidatable === true };
    const product = assemble({ plan, previous, ...assignment }, judged, terms, how);
    response.once("finish", () => {
      // Set until the header left, by whomever: then its fields may be somebody's own.
      if (response.getHeader("Set-Cookie") === undefined) outcome.confirmed(product);
    });
  });
}
