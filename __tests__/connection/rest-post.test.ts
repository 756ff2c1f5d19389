import { Agent } from "node:http";
import { Socket } from "node:net";
import { expect, it } from "@jest/globals";
import { type Outcome, post } from "../../src/connection/rest/post.ts";
import type { Sockets } from "../../src/connection/rest/sockets.ts";

const origin = { host: "localhost", port: 1, authority: "localhost", path: "/" };

/** What comes of a request over this socket, and the body that was asked for. */
function outcomeOver(socket: Socket): Promise<Outcome> {
  const sockets = new Agent();
  sockets.createConnection = (_options, done) => {
    done!(null, socket);
    return undefined;
  };
  return new Promise((onOutcome) => {
    post(sockets as Sockets, { origin, headers: {}, body: () => "[]", onOutcome });
  });
}

it("knows of a socket that was gone already that nothing has left", async () => {
  const outcome = await outcomeOver(new Socket().destroy());
  expect(outcome).toMatchObject({ kind: "lost", isSent: false });
});
