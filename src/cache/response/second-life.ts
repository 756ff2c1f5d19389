/**
 * A response that has left is made new, with nobody at its other end: what comes after the cache runs once
 * more on the request and the response that it knows, and what it answers is only recorded.
 *
 * Express, connect and node:http give a middleware no other request to go on with than its own.
 */
import { AsyncResource } from "node:async_hooks";
import { type IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Writable } from "node:stream";
import { SESSION_STATE } from "../../request.ts";

/** Whether {@link afterAnswer} can be asked for; HTTP/2's responses cannot be made anew. */
export function canLiveTwice(response: ServerResponse): boolean {
  return response instanceof ServerResponse;
}

/**
 * Calls `live` with the response as new, once the answer that it gives now is gone.
 *
 * @param fields what middlewares before the cache had set: it is there again, as whatever comes after it
 * has reason to expect
 * @param leave called instead where the answer set a cookie: what is made now might be its owner's
 */
export function afterAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  fields: OutgoingHttpHeaders,
  { live, leave }: { live: () => void; leave: () => void },
): void {
  const begin = AsyncResource.bind(() => {
    if (response.getHeader("Set-Cookie") !== undefined) return leave();
    try {
      renew(request, response);
    } catch {
      return leave(); // Somebody made a property of the response that cannot be taken off.
    }
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) response.setHeader(name, value);
    }
    live();
  });
  if (response.closed) setImmediate(begin);
  // Whoever else waits for the end of the first life is told of it before the second begins.
  else response.once("close", () => setImmediate(begin));
}

/** Node's state of a response, and what others wrapped around its calls; their own properties stay. */
function renew(request: IncomingMessage, response: ServerResponse): void {
  const fresh = new ServerResponse(request);
  for (const key of Reflect.ownKeys(response)) {
    if (key in fresh) Reflect.deleteProperty(response, key);
  }
  Object.defineProperties(response, Object.getOwnPropertyDescriptors(fresh));
  // The first answer's session is saved; this one has no client whose session it could be.
  Reflect.deleteProperty(request, SESSION_STATE);
  // Nobody passes `drain` on to the response, so nothing may ever have to wait for it.
  const highWaterMark = Number.MAX_SAFE_INTEGER;
  const nobody = new Writable({ highWaterMark, write: (_chunk, _encoding, done) => done() });
  for (const name of ["setTimeout", "setNoDelay", "setKeepAlive", "ref", "unref"]) {
    Object.defineProperty(nobody, name, { value: () => nobody });
  }
  nobody.on("error", () => {}); // Whoever destroys the response with an error, destroys it to nobody.
  response.assignSocket(nobody as unknown as Socket);
  response.once("finish", () => nobody.destroy());
  request.socket = deadEndOf(request.socket, () => nobody.destroy());
}

/**
 * The client's connection as it looks, but for its end: whoever breaks this answer off, as Express's final
 * handler does after an error, must not break off what the client asks for meanwhile.
 */
function deadEndOf(socket: Socket, end: () => void): Socket {
  const dead = Object.create(socket) as Socket;
  for (const name of ["destroy", "destroySoon", "resetAndDestroy", "end"]) {
    Object.defineProperty(dead, name, { value: () => (end(), dead) });
  }
  return dead;
}
