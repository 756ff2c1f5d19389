/** What is kept of an answer: its own fields, its body, and the terms on which it is stored. */
import { createHash } from "node:crypto";
import type { OutgoingHttpHeaders } from "node:http";
import type { Product } from "../coalescing.ts";
import type { Terms } from "../http/storage.ts";
import type { CachePlan } from "../options.ts";
import type { Entry, Fields } from "../store/entry.ts";
import type { Place } from "../store/place.ts";
import { type Judged, varyOf } from "./storable.ts";

/** What a handler's answer is recorded for. */
export interface Assignment {
  readonly plan: CachePlan;
  readonly place: Place;
  readonly versions: readonly string[];
  /** Why the handler is asked, as Cache-Status says it (RFC 9211, section 2.2). */
  readonly forwarded: string;
  /** Nobody waits for the answer: what would be its client's own shows in nothing that is sent. */
  readonly isDetached?: boolean;
  /** What is stored, and no longer good enough by itself. */
  readonly previous?: { readonly entry: Entry; readonly coversError: boolean } | undefined;
}

/** RFC 9111, section 3.2: what of a 304 would contradict the stored body. */
const OF_THE_BODY = ["content-encoding", "content-length", "content-range", "content-type"];

/** A handler that sends no ETag gets one from us, for the requests that its entry will answer. */
export function withEtag(fields: Fields, body: Buffer): Fields {
  if (fields["etag"] !== undefined) return fields;
  const digest = createHash("sha256").update(body).digest("base64url").slice(0, 27);
  return { ...fields, etag: `"${digest}"` };
}

export function withDate(fields: Fields, at: number): Fields {
  return fields["date"] === undefined ? { ...fields, date: new Date(at).toUTCString() } : fields;
}

/** RFC 9111, section 3.2: what is stored, with what a 304 says anew. */
export function updated(stored: Fields, said: Fields, at: number): Fields {
  const { date: _then, ...kept } = stored;
  for (const name of OF_THE_BODY) delete said[name];
  return withDate({ ...kept, ...said }, at);
}

/** Puts a product together. */
export function assemble(
  { plan, place, versions }: Assignment,
  now: Judged,
  terms: Terms,
  { fields, body, isValidatable }: { fields: Fields; body: Buffer; isValidatable: boolean },
): Product {
  const { bornAt, freshUntil, stale, staleIfError, isStrict, keep } = terms;
  const vary = plan.life === undefined ? varyOf(now) : [];
  const entry: Entry = {
    versions,
    hash: vary.length > 0 ? place.select!(vary) : place.hash,
    status: now.status,
    fields,
    bornAt,
    storedAt: Date.now(),
    freshUntil,
    stale,
    staleIfError,
    ...(isStrict && { isStrict }),
    ...(isValidatable && plan.life === undefined && { isValidatable }),
    body,
  };
  const ttl = Math.max(1, freshUntil - Date.now()) + keep;
  return { entry, ttl, vary: vary.length > 0 ? vary : undefined };
}

/** RFC 9111, section 4.3.4: a 304 whose strong validator is another one speaks of something else. */
export function isAnothers(
  said: OutgoingHttpHeaders["etag"],
  stored: Fields[string] | undefined,
): boolean {
  return said !== undefined && !said.startsWith("W/") && said !== stored;
}
