import { describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import { request as httpRequest, type ServerResponse } from "node:http";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { SHELLS } from "../support/shells.ts";

describe.each(SHELLS)("what breaks off, under $name", ({ listener }) => {
  describeBackends("cache()", (backend) => {
    /** Serves a handler that begins to answer, and lets the test go on from there. */
    async function begin() {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const begun: ServerResponse[] = [];
      const url = await serve(
        listener([kit.cache("x")], (_request, response) => {
          response.write("half");
          begun.push(response);
        }),
      );
      const client = httpRequest(url, { agent: false }).end();
      client.on("error", () => {});
      await until(() => begun.length === 1, "the handler runs");
      return { kit, log, url, client, response: begun[0]!, begun };
    }

    it("is not stored when the client hangs up", async () => {
      const { log, client, response } = await begin();
      const closed = once(response, "close");
      client.destroy();
      await closed;
      response.end("whole");
      await log.settled(1);
      expect(log.events.at(-1)).toMatchObject({ outcome: "refused", detail: "aborted" });
    });

    it("is not stored when the response is destroyed", async () => {
      const { log, response, url, begun } = await begin();
      const closed = once(response, "close");
      response.destroy();
      await closed;
      const again = send(url);
      await until(() => begun.length === 2, "the handler runs again");
      begun[1]!.end();
      expect((await again).headers["cache-status"]).toBe("express-redis-kit; fwd=miss");
      await log.settled(2);
      expect(log.outcomes().filter((outcome) => outcome === "stored")).toHaveLength(1);
    });

    it.each([
      ["end", (response: ServerResponse) => response.end("four")],
      ["write and end", (response: ServerResponse) => (response.write("four"), response.end())],
    ])("is not stored when fewer bytes came than were promised, by %s", async (_name, answer) => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const url = await serve(
        listener([kit.cache("x")], (_request, response) => {
          response.setHeader("Content-Length", "9");
          answer(response);
        }),
      );
      for (const count of [1, 2]) {
        // The client is right to complain.
        const client = httpRequest(url, { agent: false }).end();
        client.on("error", () => {});
        client.on("response", (response) => {
          expect(response.headers["cache-status"]).not.toContain("stored");
          response.on("error", () => {}).resume();
        });
        await log.settled(count);
        client.destroy();
        expect(log.events.at(-1)).toMatchObject({ outcome: "refused", detail: "truncated" });
      }
    });
  });
});
