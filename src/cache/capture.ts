/** Records a response's bytes on their way out, and says when its header is decided. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { types } from "node:util";
import onHeaders from "on-headers";
import { isHeaderSent } from "../held-response.ts";

/** How much of a body has passed. */
export interface Progress {
  /** The handler has ended it. */
  readonly isWhole: boolean;
  /** Bytes so far; more than the capture may hold if it is too long. */
  readonly length: number;
}

/** What a capture tells. Each of the `on…` but `onFieldAdded` is called at most once. */
export interface CaptureListener {
  /** Before anything leaves: the handler has begun to answer. */
  onFirstOutput(): void;
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
  /** The handler ends the response. */
  onEnding(): void;
  /** It has left, or is not to leave any more. `body` is empty if it was longer than may be held. */
  onEnd(body: Buffer, length: number): void;
}

type Output = (chunk?: unknown, encoding?: unknown, callback?: unknown) => unknown;

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

  add(chunk: unknown, encoding: unknown): void {
    const bytes = this.#chunks && bytesOf(chunk, encoding);
    if (bytes === undefined) return;
    this.length += bytes.length;
    if (this.length > this.#max) this.#chunks = undefined;
    else this.#chunks!.push(bytes);
  }

  /** All of them; none if there were too many. */
  bytes(): Buffer {
    return Buffer.concat(this.#chunks ?? []);
  }
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

/** Wraps `writeHead`, `write` and `end`; every byte passes unchanged. */
export function capture(
  response: ServerResponse,
  maxBytes: number,
  listener: CaptureListener,
): void {
  const body = new Recording(maxBytes);
  let hasBegun = false;
  let hasFields = false;
  let isSent = false;
  let isEnding = false;
  let isHeld = false;
  let isFinished = false;

  const begin = (): void => {
    if (hasBegun) return;
    hasBegun = true;
    listener.onFirstOutput();
  };
  const finish = (): void => {
    if (isFinished) return;
    isFinished = true;
    listener.onEnd(body.bytes(), body.length);
  };
  const noteSent = (): boolean => {
    if (isSent || !hasFields || !isHeaderSent(response)) return false;
    isSent = true;
    listener.onSent();
    return true;
  };
  const below = (call: Output, args: Parameters<Output>): unknown => {
    const result = listener.below(() => call.apply(response, args));
    // A middleware below may hold the answer, header and all, and let it go later.
    if (noteSent() && isHeld) finish();
    return result;
  };
  onHeaders(response, () => {
    begin();
    hasFields = true;
    listener.onFields(response.getHeaders(), { isWhole: isEnding, length: body.length });
    watchFields(response, () => listener.onFieldAdded());
  });
  const { writeHead, write, end } = response as unknown as Record<string, Output>;
  response.writeHead = ((...args) => below(writeHead!, args)) as typeof response.writeHead;
  response.write = ((...args: Parameters<Output>) => {
    begin();
    body.add(args[0], args[1]);
    return below(write!, args);
  }) as typeof response.write;
  response.end = ((...args: Parameters<Output>) => {
    if (isEnding) return below(end!, args);
    begin();
    body.add(args[0], args[1]);
    isEnding = true;
    listener.onEnding();
    const result = below(end!, args);
    isHeld = !isSent;
    if (!isHeld) finish();
    else onGone(response, () => (noteSent(), finish()));
    return result;
  }) as typeof response.end;
}

/** Request fields that would make a handler answer with something that cannot be stored or reused. */
const HIDDEN = [
  "if-none-match",
  "if-modified-since",
  "if-match",
  "if-unmodified-since",
  "if-range",
  "range",
  "accept-encoding",
];

/**
 * Takes conditionals, ranges and codings off a request, so that the handler answers in full and
 * unencoded; answers what puts them back, for middlewares that see the request after the handler.
 */
export function hideConditions(request: IncomingMessage): () => void {
  const { headers } = request;
  const hidden = HIDDEN.flatMap((name) =>
    headers[name] === undefined ? [] : [[name, headers[name]] as const],
  );
  for (const [name] of hidden) delete headers[name];
  return () => {
    for (const [name, value] of hidden) headers[name] = value;
  };
}

/** Tells whether the handler touched the session; what others do within `below` does not count. */
export interface SessionWatch {
  wasTouched(): boolean;
  below: <T>(call: () => T) => T;
  /** Gives the request its plain property back. */
  stop(): void;
}

/** Notices whether the handler reads or replaces `request.session`. */
export function watchSession(request: IncomingMessage): SessionWatch {
  const carrier = request as IncomingMessage & { session?: unknown };
  let session: unknown = carrier.session;
  let isTouched = false;
  let isBelow = false;
  const define = (descriptor: PropertyDescriptor): void => {
    Object.defineProperty(carrier, "session", {
      configurable: true,
      enumerable: true,
      ...descriptor,
    });
  };
  define({
    get: () => {
      isTouched ||= !isBelow && session !== undefined;
      return session;
    },
    set: (value: unknown) => {
      isTouched ||= !isBelow;
      session = value;
    },
  });
  return {
    wasTouched: () => isTouched,
    below: (call) => {
      const before = isBelow;
      isBelow = true;
      try {
        return call();
      } finally {
        isBelow = before;
      }
    },
    stop: () => define({ value: session, writable: true }),
  };
}
