/**
 * What an answer says of the stored response that it confirms: a 304 (RFC 9111, section 4.3.4), or that to a
 * HEAD (section 4.3.5).
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { Product } from "../coalescing.ts";
import type { Entry, Fields } from "../store/entry.ts";
import { type Assignment, assemble, withDate } from "./product.ts";
import { type Judged, ownFields, refusalOf } from "./storable.ts";
import { termsOf } from "./terms.ts";

/** An answer that confirms. Times are milliseconds since the epoch. */
export interface Confirmation {
  readonly entry: Entry;
  /** The answer's fields. */
  readonly said: OutgoingHttpHeaders;
  /** As they stood when the request reached the cache. */
  readonly baseline: OutgoingHttpHeaders;
  /** The request's fields, as they came. */
  readonly asked: IncomingHttpHeaders;
  readonly askedAt: number;
  readonly answeredAt: number;
}

/** Section 3.2: what of such an answer would contradict the stored body. */
const OF_THE_BODY = ["content-encoding", "content-length", "content-range", "content-type"];

/** The stored response with what is said anew, or why it may not be kept so. */
export function confirmed(
  assignment: Assignment,
  { entry, said, baseline, asked, askedAt, answeredAt }: Confirmation,
): Product | { readonly refusal: string } {
  if (isAnothers(said["etag"], entry.fields["etag"])) return { refusal: "another-etag" };
  if (said["set-cookie"] !== undefined) return { refusal: "set-cookie" };
  const { plan } = assignment;
  const { status, body } = entry;
  const fields = updated(entry.fields, ownFields(said, baseline), answeredAt);
  const judged: Judged = {
    status,
    fields,
    baseline: {},
    vary: plan.vary,
    isOrigin: true,
    takesNotFound: true,
  };
  const terms = termsOf(plan, {
    request: asked,
    status,
    fields: { ...fields, age: said["age"] }, // Age is a message's own, and is not stored.
    askedAt,
    answeredAt,
  });
  if ("refusal" in terms) return terms;
  const refusal = refusalOf(judged);
  if (refusal !== undefined) return { refusal };
  const isValidatable = entry.isValidatable === true;
  return assemble(assignment, judged, terms, { fields, body, isValidatable });
}

/** A strong validator that is another one speaks of something else. */
function isAnothers(said: OutgoingHttpHeaders["etag"], stored: Fields[string] | undefined) {
  return said !== undefined && !said.startsWith("W/") && said !== stored;
}

function updated(stored: Fields, said: Fields, at: number): Fields {
  const { date: _then, ...kept } = stored;
  for (const name of OF_THE_BODY) delete said[name];
  return withDate({ ...kept, ...said }, at);
}
