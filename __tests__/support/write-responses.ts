/** The ways in which a handler that has written something says so: a client may have the whole answer before `end`. */
import type { ServerResponse } from "node:http";
import { setImmediate as turn } from "node:timers/promises";

const WAYS: Record<string, (response: ServerResponse) => unknown> = {
  end: (response) => response.end("written"),
  json: (response) => {
    response.setHeader("Content-Type", "application/json");
    response.end('{"ok":true}');
  },
  empty: (response) => {
    response.statusCode = 204;
    response.end();
  },
  pieces: async (response) => {
    response.write("writ");
    await turn();
    response.write("ten");
    await turn();
    response.end();
  },
  // With the last of these bytes the client has everything, and need not wait for the end.
  "pieces of a known length": async (response) => {
    response.setHeader("Content-Length", 7);
    response.write("writ");
    await turn();
    response.write("ten");
    for (let turns = 0; turns < 20; turns++) await turn();
    response.end();
  },
  "a known length by writeHead": async (response) => {
    response.writeHead(201, { "Content-Length": "7" });
    response.write("written");
    for (let turns = 0; turns < 20; turns++) await turn();
    response.end();
  },
  // Neither has a body: the header is the whole answer.
  "a header of no content": async (response) => {
    response.writeHead(204);
    response.flushHeaders();
    for (let turns = 0; turns < 20; turns++) await turn();
    response.end();
  },
  "a header of length 0": async (response) => {
    response.setHeader("Content-Length", 0);
    response.flushHeaders();
    for (let turns = 0; turns < 20; turns++) await turn();
    response.end();
  },
};

/** Their names, for `it.each`. */
export const WRITE_RESPONSES: readonly string[] = Object.keys(WAYS);

/** Answers in one of them. */
export async function respond(response: ServerResponse, how: string): Promise<void> {
  await WAYS[how]!(response);
}
