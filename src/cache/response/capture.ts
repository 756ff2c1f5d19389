/** Records a response's bytes on their way out, and says when its header is decided. */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { types } from "node:util";
import onHeaders from "on-headers";
import { type Call, callBack, type Calls, callsOf, isHeaderSent } from "../../held-response.ts";
import { fieldsOf } from "./write-head.ts";

/** How much of a body has passed. */
export interface Progress {
  /** The handler has ended it. */
  readonly isWhole: boolean;
  /** Bytes so far; more than the capture may hold if it is too long. */
  readonly length: number;
}

/** How a handler begins to answer. */
export interface FirstOutput {
  readonly status: number;
  /** The fields set so far, those of `writeHead` included. */
  fields(): OutgoingHttpHeaders;
}

/** What a capture tells. Each of the `on…` but `onFieldAdded` is called at most once. */
export interface CaptureListener {
  /**
   * Before anything leaves: the handler has begun to answer. What comes back answers in its place; all
   * that the handler goes on to say then goes nowhere.
   */
  onFirstOutput(answer: FirstOutput): (() => void) | undefined;
  /**
   * The handler's header fields are complete; those that middlewares mounted before the cache add at
   * this moment are not there yet.
   */
  onFields(fields: OutgoingHttpHeaders, progress: Progress): void;
  /** One of those middlewares set a field. */
  onFieldAdded(): void;
  /** The header has left, as it stands now. */
  onSent(): void;
  /** Calls what is below the cache: other middlewares' `write` and `end`, and Node's. */
  below<T>(call: () => T): T;
  /** The body is longer than may be held. */
  onTooLong(): void;
  /** The handler ends the response. */
  onEnding(): void;
  /** It has left, or is not to leave any more. `body` is empty if it was longer than may be held. */
  onEnd(body: Buffer, length: number): void;
}

function bytesOf(chunk: unknown, encoding: unknown): Buffer | undefined {
  if (typeof chunk === "string") {
    return Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
  }
  // A copy: the handler may fill its buffer again.
  return types.isUint8Array(chunk) ? Buffer.from(chunk) : undefined;
}

/** A body's bytes, as long as they are not more than may be held. */
class Recording {
  length = 0;
  readonly #max: number;
  #chunks: Buffer[] | undefined = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** Answers true once, when there are too many. */
  add(chunk: unknown, encoding: unknown): boolean {
    const bytes = this.#chunks && bytesOf(chunk, encoding);
    if (bytes === undefined) return false;
    this.length += bytes.length;
    if (this.length <= this.#max) {
      this.#chunks!.push(bytes);
      return false;
    }
    this.#chunks = undefined;
    return true;
  }

  /** All of them; none if there were too many. */
  bytes(): Buffer {
    return Buffer.concat(this.#chunks ?? []);
  }
}

/** Calls `told` once the header has left, or will not any more; now, if it has. */
export function onSent(response: ServerResponse, told: () => void): void {
  if (isHeaderSent(response)) told();
  else onGone(response, told);
}

/** What is held below may leave past the calls that are wrapped here: when it has left, or will not any more. */
function onGone(response: ServerResponse, told: () => void): void {
  response.once("finish", told);
  response.once("close", told);
}

/** Calls `told` after every header field that is set from now on until the header leaves. */
function watchFields(response: ServerResponse, told: () => void): void {
  for (const name of ["setHeader", "appendHeader"] as const) {
    const original = response[name] as (...args: unknown[]) => unknown;
    let isTelling = false;
    response[name] = ((...args: unknown[]) => {
      const result = original.apply(response, args);
      if (isTelling) return result;
      isTelling = true;
      told();
      isTelling = false;
      return result;
    }) as never;
  }
}

/** `write` and `end` for a handler whose answer was taken out of the way. */
function swallowing(response: ServerResponse): Pick<Calls, "write" | "end"> {
  return {
    write: (...args) => (callBack(args), true),
    end: (...args) => (callBack(args), response),
  };
}

/** Wraps `writeHead`, `write` and `end`; every byte passes unchanged. */
export function capture(
  response: ServerResponse,
  maxBytes: number,
  listener: CaptureListener,
): void {
  new Capture(response, maxBytes, listener).begin();
}

/** The calls of one response. */
class Capture {
  readonly #response: ServerResponse;
  readonly #listener: CaptureListener;
  readonly #body: Recording;
  readonly #calls: Pick<Calls, "writeHead" | "write" | "end">;
  #hasBegun = false;
  #hasFields = false;
  #isSent = false;
  #isEnding = false;
  #isHeld = false;
  #isFinished = false;
  #isDiverted = false;

  constructor(response: ServerResponse, maxBytes: number, listener: CaptureListener) {
    this.#response = response;
    this.#listener = listener;
    this.#body = new Recording(maxBytes);
    const { writeHead, write, end } = callsOf(response);
    this.#calls = { writeHead, write, end };
  }

  begin(): void {
    const response = this.#response;
    onHeaders(response, () => this.#onHeaders());
    const { writeHead: telling } = callsOf(response); // With the hook of on-headers.
    Object.assign(response, {
      writeHead: (...args: unknown[]) =>
        this.#divert(Number(args[0]), args) ? response : this.#below(telling, args),
      write: (...args: unknown[]) => this.#write(args),
      end: (...args: unknown[]) => this.#end(args),
    });
  }

  #onHeaders(): void {
    if (this.#isDiverted) return;
    this.#hasFields = true;
    const { length } = this.#body;
    this.#listener.onFields(this.#response.getHeaders(), { isWhole: this.#isEnding, length });
    watchFields(this.#response, () => this.#listener.onFieldAdded());
  }

  /** Answers whether the handler's output goes nowhere; the first that there is decides. */
  #divert(status = this.#response.statusCode, head: readonly unknown[] = []): boolean {
    if (this.#hasBegun) return this.#isDiverted;
    this.#hasBegun = true;
    const fields = () => ({ ...this.#response.getHeaders(), ...fieldsOf(head) });
    const answer = this.#listener.onFirstOutput({ status, fields });
    if (answer === undefined) return false;
    this.#isDiverted = true;
    Object.assign(this.#response, this.#calls);
    answer();
    Object.assign(this.#response, swallowing(this.#response));
    return true;
  }

  #write(args: unknown[]): unknown {
    if (this.#divert()) return swallowing(this.#response).write(...args);
    if (!this.#isEnding) this.#record(args); // HTTP/2's `end` writes its chunk, which is recorded.
    return this.#below(this.#calls.write, args);
  }

  #record([chunk, encoding]: unknown[]): void {
    if (this.#body.add(chunk, encoding)) this.#listener.onTooLong();
  }

  #end(args: unknown[]): unknown {
    if (this.#isEnding) return this.#below(this.#calls.end, args);
    if (this.#divert()) return swallowing(this.#response).end(...args);
    this.#record(args);
    this.#isEnding = true;
    this.#listener.onEnding();
    const result = this.#below(this.#calls.end, args);
    this.#isHeld = !this.#isSent;
    if (this.#isHeld) onGone(this.#response, () => (this.#noteSent(), this.#finish()));
    else this.#finish();
    return result;
  }

  #below(call: Call, args: unknown[]): unknown {
    const result = this.#listener.below(() => call.apply(this.#response, args));
    // A middleware below may hold the answer, header and all, and let it go later.
    if (this.#noteSent() && this.#isHeld) this.#finish();
    return result;
  }

  #noteSent(): boolean {
    if (this.#isSent || !this.#hasFields || !isHeaderSent(this.#response)) return false;
    this.#isSent = true;
    this.#listener.onSent();
    return true;
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#listener.onEnd(this.#body.bytes(), this.#body.length);
  }
}
