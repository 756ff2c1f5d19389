/** What is kept of an answer: its own fields, its body, and the terms on which it is stored. */
import { createHash } from "node:crypto";
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

/** A handler that sends no ETag gets one from us, for the requests that its entry will answer. */
export function withEtag(fields: Fields, body: Buffer): Fields {
  if (fields["etag"] !== undefined) return fields;
  const digest = createHash("sha256").update(body).digest("base64url").slice(0, 27);
  return { ...fields, etag: `"${digest}"` };
}

export function withDate(fields: Fields, at: number): Fields {
  return fields["date"] === undefined ? { ...fields, date: new Date(at).toUTCString() } : fields;
}

/** Puts a product together. */
export function assemble(
  { plan, place, versions }: Assignment,
  now: Judged,
  terms: Terms,
  { fields, body, isValidatable }: { fields: Fields; body: Buffer; isValidatable: boolean },
): Product {
  const { bornAt, freshUntil, stale, staleIfError, isStrict, keep } = terms;
  const vary = plan.isOrigin ? varyOf(now) : [];
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
    ...(isValidatable && plan.isOrigin && { isValidatable }),
    body,
  };
  const ttl = Math.max(1, freshUntil - Date.now()) + keep;
  return { entry, ttl, vary: vary.length > 0 ? vary : undefined };
}
