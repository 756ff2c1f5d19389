/** Watches a handler's answer, and says what became of it: a product to be kept, or why there is none. */
import type {
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  ServerResponse,
} from "node:http";
import type { Product } from "../coalescing.ts";
import type { Terms, Verdict } from "../http/storage.ts";
import type { Entry } from "../store/entry.ts";
import type { KnownRequest } from "../../request.ts";
import {
  capture,
  type CaptureListener,
  type FirstOutput,
  onSent,
  type Progress,
} from "./capture.ts";
import { askToValidate, hideConditions } from "./conditions.ts";
import { confirmed } from "./confirmation.ts";
import { type Assignment, assemble, withDate, withEtag } from "./product.ts";
import { answerWith, failWith, resetHeader, setCacheStatus } from "./reply.ts";
import { sessionKeeper, type SessionWatch, UNWATCHED, watchSession } from "./session-watch.ts";
import { type Judged, ownFields, refusalOf } from "./storable.ts";
import { termsOf } from "./terms.ts";
import { watchVary } from "./vary-watch.ts";

/** What became of it. Exactly one is told, once. */
export interface Outcome {
  stored(product: Product, detail?: string): void;
  /** Nobody else can have it; of this status. */
  refused(reason: string, status: number): void;
  /** There is no whole answer. */
  aborted(): void;
  /** The stored response stood in for an error. */
  covered(status: number): void;
}

/** RFC 5861, section 4. */
const ERRORS = new Set([500, 502, 503, 504]);

/** A status and the fields beside it. */
interface Head {
  readonly status: number;
  readonly fields: OutgoingHttpHeaders;
}

function headOf(response: ServerResponse): Head {
  return { status: response.statusCode, fields: { ...response.getHeaders() } };
}

/** Watches one response from before its handler runs. */
export function record(
  request: IncomingMessage,
  response: ServerResponse,
  assignment: Assignment,
  outcome: Outcome,
): void {
  const recorder = new Recorder(request, response, assignment, outcome);
  capture(response, assignment.plan.maxBytes, recorder);
  // A handler may never end what its client no longer waits for.
  response.once("close", () => {
    if (!response.writableEnded) recorder.abort();
  });
}

class Recorder implements CaptureListener {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #assignment: Assignment;
  readonly #outcome: Outcome;
  readonly #baseline: OutgoingHttpHeaders;
  readonly #askedAt = Date.now();
  /** The request's fields as they came: a handler may change them. */
  readonly #asked: IncomingHttpHeaders;
  readonly #isValidating: boolean;
  readonly #session: SessionWatch;
  readonly #isSessionKept: () => boolean;
  readonly #saysVary: () => boolean;
  readonly #restoreConditions: () => void;
  #answeredAt = this.#askedAt;
  /** The fields as the handler left them; undefined until they are complete. */
  #own: OutgoingHttpHeaders | undefined;
  #progress: Progress = { isWhole: false, length: 0 };
  /** Status and fields as they left; a status that is changed afterwards was never sent. */
  #sent: Head | undefined;
  #isTold = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    assignment: Assignment,
    outcome: Outcome,
  ) {
    this.#request = request;
    this.#response = response;
    this.#assignment = assignment;
    this.#outcome = outcome;
    this.#baseline = { ...response.getHeaders() };
    this.#asked = { ...request.headers };
    const { place, previous, isDetached } = assignment;
    this.#isSessionKept = isDetached ? sessionKeeper(request) : () => true; // Looks at it first.
    this.#session = place.isAnonymous ? watchSession(request) : UNWATCHED;
    this.#restoreConditions = hideConditions(request);
    this.#isValidating = previous?.entry.isValidatable === true;
    if (this.#isValidating) askToValidate(request, previous!.entry.fields);
    this.#saysVary = watchVary(response, () => this.#own);
  }

  below<T>(call: () => T): T {
    return this.#session.below(call);
  }

  onFirstOutput(answer: FirstOutput): (() => void) | undefined {
    const { previous } = this.#assignment;
    const { status } = answer;
    this.#answeredAt = Date.now();
    this.#restoreConditions();
    if (status === 304 && this.#isValidating) return () => this.#confirm(answer.fields());
    if (previous?.coversError === true && ERRORS.has(status)) return () => this.#cover(status);
    return undefined;
  }

  onFields(fields: OutgoingHttpHeaders, soFar: Progress): void {
    this.#own = { ...fields };
    this.#progress = soFar;
    this.#announce();
  }

  onFieldAdded(): void {
    this.#announce();
  }

  onSent(): void {
    this.#sent = headOf(this.#response);
    this.#settleEarly();
  }

  onTooLong(): void {
    this.#progress = { ...this.#progress, length: Number.POSITIVE_INFINITY };
    this.#settleEarly();
  }

  /** Whoever waits need not wait for the end of what cannot be shared. */
  #settleEarly(): void {
    const reason = this.#own && this.#refusal();
    if (reason !== undefined) this.#tell(() => this.#refuse(reason));
  }

  onEnding(): void {
    // Whoever left in the middle does not see the end; a handler that ends then may say anything.
    if (this.#response.destroyed || this.#response.socket?.destroyed === true) this.abort();
    this.#session.stop();
  }

  onEnd(body: Buffer, length: number): void {
    this.#progress = { isWhole: true, length };
    if (this.#sent === undefined) return this.abort();
    const reason = this.#refusal();
    this.#tell(() => {
      if (reason === undefined) this.#outcome.stored(this.#productOf(body));
      else this.#refuse(reason);
    });
  }

  #refuse(reason: string): void {
    this.#outcome.refused(reason, (this.#sent ?? headOf(this.#response)).status);
  }

  abort(): void {
    this.#tell(() => this.#outcome.aborted());
  }

  #tell(how: () => void): void {
    if (this.#isTold) return;
    this.#isTold = true;
    how();
  }

  #judged(): Judged {
    const { plan } = this.#assignment;
    return {
      ...(this.#sent ?? headOf(this.#response)),
      baseline: this.#saysVary() ? { ...this.#baseline, vary: undefined } : this.#baseline,
      vary: plan.vary,
      isOrigin: plan.isOrigin,
      takesNotFound: plan.notFound !== undefined,
    };
  }

  #termsOf({ status, fields }: Judged): Verdict {
    return termsOf(this.#assignment.plan, {
      status,
      fields,
      request: this.#asked,
      askedAt: this.#askedAt,
      answeredAt: this.#answeredAt,
    });
  }

  /** Why what was sent so far may not be stored. */
  #refusal(): string | undefined {
    const { isWhole, length } = this.#progress;
    if (this.#isPersonal()) return "session";
    if (this.#own === undefined) return "aborted";
    // Set before outer middlewares encode: then the bytes themselves came encoded.
    if ((this.#own["content-encoding"] ?? "identity") !== "identity") return "content-encoding";
    if (length > this.#assignment.plan.maxBytes) return "too-long";
    if (isWhole && Number(this.#own["content-length"] ?? length) !== length) return "truncated";
    const judged = this.#judged();
    const verdict = this.#termsOf(judged);
    return refusalOf(judged) ?? ("refusal" in verdict ? verdict.refusal : undefined);
  }

  /** The handler knew of somebody whom the place knows nothing of. */
  #isPersonal(): boolean {
    const { user } = this.#request as KnownRequest;
    const isSomebodys = this.#assignment.place.isAnonymous && user !== undefined && user !== null;
    return isSomebodys || this.#session.wasTouched() || !this.#isSessionKept();
  }

  #announce(): void {
    const { forwarded } = this.#assignment;
    const reason = this.#response.destroyed ? "aborted" : this.#refusal();
    // Of a body that is still to come, no one can say yet whether it will be stored.
    const hope = this.#progress.isWhole ? "; stored" : "";
    const what = reason === undefined ? hope : `; detail=${reason}`;
    setCacheStatus(this.#response, `fwd=${forwarded}${what}`);
  }

  #productOf(body: Buffer): Product {
    const own = this.#own!;
    const judged = this.#judged();
    const isValidatable = own["etag"] !== undefined || own["last-modified"] !== undefined;
    const fields = withDate(withEtag(ownFields(own, this.#baseline), body), this.#answeredAt);
    const terms = this.#termsOf(judged) as Terms;
    return assemble(this.#assignment, judged, terms, { fields, body, isValidatable });
  }

  /** The handler says that what is stored still holds. */
  #confirm(said: OutgoingHttpHeaders): void {
    const { entry } = this.#assignment.previous!;
    const made = this.#isPersonal()
      ? { refusal: "session" }
      : confirmed(this.#assignment, {
          entry,
          said,
          baseline: this.#baseline,
          asked: this.#asked,
          askedAt: this.#askedAt,
          answeredAt: this.#answeredAt,
        });
    const status = `fwd=${this.#assignment.forwarded}; fwd-status=304`;
    if ("refusal" in made) {
      const { refusal } = made;
      this.#answer(entry, `${status}; detail=${refusal}`, said["set-cookie"]);
      return this.#tell(() => this.#refuse(refusal));
    }
    this.#answer(made.entry, `${status}; stored`);
    // Middlewares before the cache may set a cookie as the header leaves, which can be later.
    onSent(this.#response, () =>
      this.#tell(() => {
        const isSomebodys = this.#response.getHeader("Set-Cookie") !== undefined;
        if (isSomebodys) this.#refuse("set-cookie");
        else this.#outcome.stored(made, "validated");
      }),
    );
  }

  #cover(status: number): void {
    const { previous, forwarded } = this.#assignment;
    this.#answer(previous!.entry, `fwd=${forwarded}; fwd-status=${status}; detail=stale-if-error`);
    this.#tell(() => this.#outcome.covered(status));
  }

  /** In the handler's place. */
  #answer(entry: Entry, cacheStatus: string, cookies?: OutgoingHttpHeaders["set-cookie"]): void {
    this.#session.stop();
    resetHeader(this.#response, this.#baseline, entry.body);
    // They are the asker's own, and are not stored.
    if (cookies !== undefined) this.#response.setHeader("Set-Cookie", cookies);
    try {
      answerWith(this.#request, this.#response, entry, cacheStatus);
    } catch {
      // Somebody else wrote the entry, and Node refuses it.
      this.abort();
      failWith(this.#response, 502);
    }
  }
}
