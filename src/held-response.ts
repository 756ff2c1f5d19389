/** What it takes to hold an answer back that was given: the response looks as if it had left. */
import type { ServerResponse } from "node:http";
import { types } from "node:util";

function headersSent(): never {
  throw Object.assign(new Error("Cannot change a response's header after its answer was given"), {
    code: "ERR_HTTP_HEADERS_SENT",
  });
}

const FROZEN: Readonly<Record<string, (...args: unknown[]) => unknown>> = {
  setHeader: headersSent,
  setHeaders: headersSent,
  appendHeader: headersSent,
  removeHeader: headersSent,
  writeHead: headersSent,
  flushHeaders: () => {},
  _implicitHeader: () => {}, // Called by wrappers such as compression before each write.
};

const FROZEN_RESPONSES = new WeakSet<ServerResponse>();

/** Whether the header has left; of one that is held, `headersSent` says so without its being true. */
export function isHeaderSent(response: ServerResponse): boolean {
  return response.headersSent && !FROZEN_RESPONSES.has(response);
}

/** Freezes status and header as they stand; answers what thaws them. */
export function freezeHeader(response: ServerResponse): () => void {
  const { statusCode, statusMessage } = response;
  const own = [...Object.keys(FROZEN), "headersSent"].map(
    (name) => [name, Object.getOwnPropertyDescriptor(response, name)] as const,
  );
  for (const [name, value] of Object.entries(FROZEN)) {
    Object.defineProperty(response, name, { value, configurable: true, writable: true });
  }
  Object.defineProperty(response, "headersSent", { get: () => true, configurable: true });
  FROZEN_RESPONSES.add(response);
  return () => {
    FROZEN_RESPONSES.delete(response);
    for (const [name, descriptor] of own) {
      if (descriptor) Object.defineProperty(response, name, descriptor);
      else Reflect.deleteProperty(response, name);
    }
    Object.assign(response, { statusCode, statusMessage });
  };
}

/**
 * Express's final handler destroys the socket where an error comes after the answer. An answer that
 * is not held is on its way by then; a held one has yet to go, so the socket goes after it.
 *
 * @returns what lets go of the socket
 */
export function guardSocket(response: ServerResponse): () => void {
  const { socket } = response;
  // Of HTTP/2, the socket is that of all streams.
  if (socket === null || "stream" in response) return () => {};
  let isDoomed = false;
  socket.destroy = () => {
    isDoomed = true;
    return socket;
  };
  return () => {
    Reflect.deleteProperty(socket, "destroy");
    if (!isDoomed) return;
    if (socket.errored) socket.destroy();
    else response.once("finish", () => socket.destroySoon());
  };
}

/** Node refuses anything else in the call itself, where its caller can hear it. */
export function isBody(chunk: unknown): boolean {
  const isAbsent = chunk === undefined || chunk === null || typeof chunk === "function";
  return isAbsent || typeof chunk === "string" || types.isUint8Array(chunk);
}

/** Any of a response's calls. */
export type Call = (...args: unknown[]) => unknown;

/** The calls that give an answer. */
export type CallName = "writeHead" | "write" | "end" | "flushHeaders";

/** They, as they stand. */
export type Calls = Readonly<Record<CallName, Call>>;

/** What a response's calls are now. */
export function callsOf(response: object): Calls {
  const { writeHead, write, end, flushHeaders } = response as Calls;
  return { writeHead, write, end, flushHeaders };
}

/** Calls the callback among the arguments of a call that goes nowhere. */
export function callBack(args: readonly unknown[], ...told: readonly unknown[]): void {
  const callback = args.find((argument) => typeof argument === "function");
  if (callback) queueMicrotask(() => callback(...told));
}

/** A `write` after the end: its bytes are not part of the answer. */
export function lateWrite(...args: unknown[]): boolean {
  const error = Object.assign(new Error("write after end"), { code: "ERR_STREAM_WRITE_AFTER_END" });
  callBack(args, error);
  return false;
}
