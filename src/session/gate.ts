/** What a response of `session()` waits for: that the request's session is stored as it is. */
import { STATUS_CODES } from "node:http";
import { type Context, reporter } from "../context.ts";
import { KitError } from "../errors.ts";
import { heldAnswerFailed } from "./failures.ts";
import { problemBody } from "../problem.ts";
import type { KnownRequest } from "../request.ts";
import type { Calls } from "../held-response.ts";
import type { Gate } from "./held-answer.ts";
import { writeCookie } from "./write-cookie.ts";
import type { SessionRequest } from "./live-session.ts";
import type { SessionState } from "./state.ts";
import type { KitSessionStore } from "./store.ts";

/** Header fields that describe what is not sent. */
const OF_THE_ANSWER =
  /^(?:content-(?!security-policy)|accept-ranges$|age$|cache-control$|etag$|expires$|last-modified$|link$|location$|refresh$|set-cookie$|trailer$|transfer-encoding$)/;

/** Answers with an error in place of what the handler said. */
function answerError(
  request: SessionRequest,
  { response }: SessionState,
  { status, headers, code }: KitError,
  below: Calls,
): void {
  const title = STATUS_CODES[status] ?? "Error";
  const { contentType, body } = problemBody(request, {
    json: JSON.stringify({ title, status, code }),
    text: `${title}.`,
  });
  for (const name of response.getHeaderNames())
    if (OF_THE_ANSWER.test(name)) response.removeHeader(name);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Content-Type", contentType);
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.statusMessage = "";
  // Past the wrappers of what was mounted later: they know only of the answer that is dropped.
  below.writeHead.call(response, status);
  below.end.call(response, request.method === "HEAD" ? undefined : body);
}

/** Of one request. */
export class SessionGate implements Gate {
  readonly #context: Context;
  readonly #store: KitSessionStore;
  readonly #request: SessionRequest;
  readonly #state: SessionState;
  readonly #next: (error: unknown) => void;

  /**
   * @param next is told, in Express and outside of production, of a save that failed by a mistake in the application.
   * Not of one that Redis failed: Express answers an error that comes after the answer by destroying
   * the socket, which costs the client the answers to its next requests.
   */
  constructor(
    context: Context,
    store: KitSessionStore,
    request: SessionRequest,
    state: SessionState,
    next: (error: unknown) => void,
  ) {
    this.#context = context;
    this.#store = store;
    this.#request = request;
    this.#state = state;
    this.#next = next;
  }

  work(): Promise<void> | undefined {
    const { session, sessionID } = this.#request;
    try {
      if (this.#state.turn) return this.#workAfter(this.#state.turn.catch(() => {}));
      if (this.#state.leaving) return this.#workAfter(this.#state.leaving);
      if (!session) return this.#unset();
      if (typeof sessionID !== "string" || !this.#store.writer.isDue(session)) return undefined;
      session.touch();
      return this.#store.writer.save(sessionID, session);
    } catch (error) {
      // A session that JSON cannot hold, or that is none.
      return Promise.reject(error);
    }
  }

  async #workAfter(leaving: Promise<void>): Promise<void> {
    await leaving;
    await this.work();
  }

  /** With `unset: 'destroy'`: once. */
  #unset(): Promise<void> | undefined {
    const { sessionID } = this.#request;
    const isDue = this.#state.plan.isUnsetDestroyed && typeof sessionID === "string";
    if (!isDue || this.#state.isCookieStale) return undefined;
    this.#state.isCookieStale = true;
    return this.#store.destroy(sessionID);
  }

  onHeader(): void {
    try {
      writeCookie(this.#request, this.#state);
    } catch (error) {
      this.report(error); // Of cookie options of the session's own that make no cookie.
    }
  }

  answerInstead(error: unknown, below: Calls): void {
    this.#state.isRefused = true;
    answerError(this.#request, this.#state, this.report(error), below);
  }

  /** Answers what was told. */
  report(error: unknown): KitError {
    const failure = error instanceof KitError ? error : heldAnswerFailed(error);
    reporter(this.#context)("saving a session")(failure);
    const isMistake = failure.status !== 503;
    const isExpress = (this.#request as KnownRequest).app !== undefined;
    if (isMistake && isExpress && this.#context.config.environment !== "production")
      this.#state.response.once("close", () => this.#next(error));
    return failure;
  }
}
