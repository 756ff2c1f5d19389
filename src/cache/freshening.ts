/** A HEAD that reached the handler says whether the stored answer to a GET still holds (RFC 9111, section 4.3.5). */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Engine } from "./engine.ts";
import type { CachePlan } from "./options.ts";
import { watchHead } from "./response/head.ts";
import type { Place } from "./store/place.ts";
import type { Found } from "./store/store.ts";

/** A HEAD, and what is stored for its URL. */
export interface Inquiry {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly place: Place;
  readonly found: Found;
}

/** Watches the answer; updates what is stored, or calls it stale. */
export function freshen(engine: Engine, plan: CachePlan, inquiry: Inquiry): void {
  const { request, response, place, found } = inquiry;
  const { entry, versions } = found;
  if (entry === undefined) return;
  const told = engine.report("storing a response");
  const assignment = {
    plan,
    place,
    versions: versions.map(String),
    forwarded: "stale",
    previous: { entry, coversError: false },
  };
  watchHead(request, response, assignment, {
    confirmed: ({ entry: made, ttl, vary }) => {
      engine.store.keep({ place, found, entry: made, ttl, vary }).catch(told);
    },
    outdated: () => {
      engine.expire(place.versionKeys[0]!).catch(told);
    },
  });
}
