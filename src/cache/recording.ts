/** On a miss: lets the handler answer, and hands over what may be stored of it, or why nothing may. */
import { createHash } from "node:crypto";
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { capture, hideConditions, type SessionWatch, watchSession } from "./capture.ts";
import type { Entry, Fields } from "./entry.ts";
import type { CachePlan } from "./options.ts";
import { setCacheStatus } from "./reply.ts";
import { ownFields, refusalOf } from "./storable.ts";

/** ±10 %, so that what was stored together does not expire together. */
function jittered(ttl: number): number {
  return Math.max(1, Math.round(ttl * (0.9 + Math.random() * 0.2)));
}

/** A handler that sends no ETag gets one from us, for the requests that its entry will answer. */
function withEtag(fields: Fields, body: Buffer): Fields {
  if (fields["etag"] !== undefined) return fields;
  const digest = createHash("sha256").update(body).digest("base64url").slice(0, 27);
  return { ...fields, etag: `"${digest}"` };
}

function head(response: ServerResponse): { status: number; fields: OutgoingHttpHeaders } {
  return { status: response.statusCode, fields: { ...response.getHeaders() } };
}

/** For scopes under which a handler may use the session. */
const UNWATCHED: SessionWatch = {
  wasTouched: () => false,
  below: (call) => call(),
  stop: () => {},
};

/**
 * Watches one response.
 *
 * @param token what the resource's token was before the handler ran
 * @param done told once, when the handler has ended the response
 */
export function record(
  plan: CachePlan,
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
  done: (entry: Entry | undefined, refusal?: string) => void,
): void {
  const baseline = { ...response.getHeaders() };
  const restoreConditions = hideConditions(request);
  const session = plan.scope === undefined ? watchSession(request) : UNWATCHED;
  /** The fields as the handler left them; undefined until they are complete. */
  let own: OutgoingHttpHeaders | undefined;
  let progress = { isWhole: false, length: 0 };
  /** Status and fields as they left; a status that is changed afterwards was never sent. */
  let sent: { status: number; fields: OutgoingHttpHeaders } | undefined;

  /** Why what was sent so far may not be stored. */
  const refusal = (): string | undefined => {
    if (session.wasTouched()) return "session";
    if (own === undefined || response.destroyed) return "aborted";
    // Set before outer middlewares encode: then the bytes themselves came encoded.
    if ((own["content-encoding"] ?? "identity") !== "identity") return "content-encoding";
    if (progress.length > plan.maxBytes) return "too-long";
    const declared = Number(own["content-length"] ?? progress.length);
    if (progress.isWhole && declared !== progress.length) return "truncated";
    const { status, fields } = sent ?? head(response);
    return refusalOf({ status, fields, baseline, vary: plan.vary });
  };
  const announce = (): void => {
    const reason = refusal();
    // Of a body that is still to come, no one can say yet whether it will be stored.
    const hope = progress.isWhole ? "fwd=miss; stored" : "fwd=miss";
    setCacheStatus(response, reason === undefined ? hope : `fwd=miss; detail=${reason}`);
  };
  capture(response, plan.maxBytes, {
    below: session.below,
    onFirstOutput: restoreConditions,
    onFields: (fields, soFar) => {
      own = { ...fields };
      progress = soFar;
      announce();
    },
    onFieldAdded: announce,
    onSent: () => {
      sent = head(response);
    },
    onEnding: () => session.stop(),
    onEnd: (body, length) => {
      progress = { isWhole: true, length };
      const reason = sent === undefined ? "aborted" : refusal();
      if (reason !== undefined) return done(undefined, reason);
      const storedAt = Date.now();
      done({
        status: sent!.status,
        fields: withEtag(ownFields(own!, baseline), body),
        token,
        storedAt,
        expiresAt: storedAt + jittered(plan.ttl),
        body,
      });
    },
  });
}
