/** Records a response's bytes on their way out, and says when its header is decided. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import onHeaders from "on-headers";

/** How much of a body has passed. */
export interface Progress {
  /** The handler has ended it. */
  readonly isWhole: boolean;
  /** Bytes so far; more than the capture may hold if it is too long. */
  readonly length: number;
}

/** What a capture tells. Each but `onFieldAdded` is called at most once. */
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
  /** The handler has ended the response. `body` is empty if it was longer than may be held. */
  onEnd(body: Buffer, length: number): void;
}

type Output = (chunk?: unknown, encoding?: unknown, callback?: unknown) => unknown;

function bytesOf(chunk: unknown, encoding: unknown): Buffer | undefined {
  if (typeof chunk === "string") {
    return Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
  }
  // A copy: the handler may fill its buffer again.
  return chunk instanceof Uint8Array ? Buffer.from(chunk) : undefined;
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

/** Wraps `write` and `end`; every byte passes unchanged. */
export function capture(
  response: ServerResponse,
  maxBytes: number,
  listener: CaptureListener,
): void {
  const { write, end } = response as unknown as { write: Output; end: Output };
  let chunks: Buffer[] | undefined = [];
  let length = 0;
  let hasBegun = false;
  let isEnding = false;
  let hasEnded = false;

  const begin = (): void => {
    if (hasBegun) return;
    hasBegun = true;
    listener.onFirstOutput();
  };
  const record = (chunk: unknown, encoding: unknown): void => {
    const bytes = chunks && bytesOf(chunk, encoding);
    if (bytes === undefined) return;
    length += bytes.length;
    if (length > maxBytes) chunks = undefined;
    else chunks!.push(bytes);
  };
  onHeaders(response, () => {
    begin();
    listener.onFields(response.getHeaders(), { isWhole: isEnding, length });
    watchFields(response, () => listener.onFieldAdded());
  });
  response.write = ((...args: Parameters<Output>) => {
    begin();
    record(args[0], args[1]);
    return write.apply(response, args);
  }) as typeof response.write;
  response.end = ((...args: Parameters<Output>) => {
    begin();
    if (!hasEnded) record(args[0], args[1]);
    isEnding = true;
    const result = end.apply(response, args);
    if (!hasEnded) {
      hasEnded = true;
      listener.onEnd(Buffer.concat(chunks ?? []), length);
    }
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

/** Notices whether the handler reads or replaces `request.session`. */
export function watchSession(request: IncomingMessage): { wasTouched(): boolean; stop(): void } {
  const carrier = request as IncomingMessage & { session?: unknown };
  let isTouched = false;
  if (carrier.session === undefined) return { wasTouched: () => false, stop: () => {} };
  let session: unknown = carrier.session;
  Object.defineProperty(carrier, "session", {
    configurable: true,
    enumerable: true,
    get: () => {
      isTouched = true;
      return session;
    },
    set: (value: unknown) => {
      isTouched = true;
      session = value;
    },
  });
  return {
    wasTouched: () => isTouched,
    stop: () => {
      Object.defineProperty(carrier, "session", {
        value: session,
        configurable: true,
        enumerable: true,
        writable: true,
      });
    },
  };
}
