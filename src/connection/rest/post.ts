/** One POST over a proven socket: what came of it, and whether anything of it can have left. */
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import type { Sockets } from "./sockets.ts";

/** Where requests go. */
export interface Origin {
  readonly host: string;
  readonly port: number;
  /** As the `Host` header names it. */
  readonly authority: string;
  readonly path: string;
}

/** What came of a request. */
export type Outcome =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly text: string;
    }
  /** No socket could be opened. */
  | { readonly kind: "not-connected"; readonly error: Error }
  /** `isSent` is false where not one byte has left. */
  | { readonly kind: "lost"; readonly error: Error; readonly isSent: boolean };

/** One request. */
export interface Post {
  readonly origin: Origin;
  readonly headers: Readonly<Record<string, string>>;
  /** Asked for when there is a socket, in the moment of writing; without one nothing is sent. */
  body(): string | undefined;
  /** Called once. */
  onOutcome(outcome: Outcome): void;
}

/** Sends it; answers what ends it. */
export function post(sockets: Sockets, how: Post): () => void {
  const { origin, headers } = how;
  let socket: Socket | undefined;
  let writtenBefore = 0;
  let isSettled = false;
  const settle = (outcome: Outcome): void => {
    if (isSettled) return;
    isSettled = true;
    how.onOutcome(outcome);
  };
  const fail = (error: Error): void => {
    const isSent = socket !== undefined && socket.bytesWritten > writtenBefore;
    settle(socket ? { kind: "lost", error, isSent } : { kind: "not-connected", error });
  };
  const onResponse = (response: IncomingMessage): void => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("error", fail);
    response.on("end", () => {
      sockets.rest(socket!, response);
      const { statusCode: status = 0, headers: received } = response;
      settle({
        kind: "answered",
        status,
        headers: received,
        text: Buffer.concat(chunks).toString(),
      });
    });
  };
  const sent = request(
    {
      agent: sockets,
      method: "POST",
      host: origin.host,
      port: origin.port,
      path: origin.path,
      headers: { ...headers, Host: origin.authority },
    },
    onResponse,
  );
  sent.on("error", fail);
  sent.on("close", () => fail(new Error("the connection was closed")));
  sent.on("socket", (given) => {
    writtenBefore = given.bytesWritten;
    socket = given;
    // Of a socket that has ended before, no event would tell.
    if (given.destroyed || !given.writable) fail(new Error("the connection was closed"));
    const text = isSettled ? undefined : how.body();
    if (text === undefined) sent.destroy();
    else sent.end(text);
  });
  return () => void sent.destroy();
}
