import { describe, expect, it } from "@jest/globals";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { chain, EXPRESSES } from "../support/shells.ts";
import type { CacheOptions } from "express-redis-kit";

type Headers = Record<string, string>;

describe.each(EXPRESSES)("the host under $name", ({ express }) => {
  describeBackends("cache()", (backend) => {
    /** A handler that builds absolute links, as password resets and canonical links do. */
    async function start(trust: boolean, options: CacheOptions = {}) {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const app = express();
      app.set("trust proxy", trust);
      app.get("/", kit.cache("home", options), (req, res) => {
        res.send(`${req.protocol}://${req.hostname}/ ${req.secure}`);
      });
      const url = await serve(app);
      return async (headers: Headers) => {
        const reply = await send(url, { headers });
        await log.settled(log.events.filter(({ outcome }) => outcome === "miss").length);
        return { text: textOf(reply), isHit: /; hit/.test(String(reply.headers["cache-status"])) };
      };
    }

    it("is part of the variant, its port included", async () => {
      const ask = await start(false);
      expect(await ask({ Host: "one.test" })).toEqual({
        text: "http://one.test/ false",
        isHit: false,
      });
      expect(await ask({ Host: "two.test" })).toEqual({
        text: "http://two.test/ false",
        isHit: false,
      });
      expect((await ask({ Host: "one.test" })).isHit).toBe(true);
      expect((await ask({ Host: "one.test:8080" })).isHit).toBe(false);
    });

    it("of a proxy that is not trusted changes nothing", async () => {
      const ask = await start(false);
      await ask({ Host: "one.test" });
      const evil = { "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https" };
      expect(await ask({ Host: "one.test", ...evil })).toEqual({
        text: "http://one.test/ false",
        isHit: true,
      });
    });

    it("of a trusted proxy is believed, and never served to another one's clients", async () => {
      const ask = await start(true);
      const forwarded: Headers[] = [
        {},
        { "X-Forwarded-Host": "evil.test" },
        { "X-Forwarded-Host": "evil.test, one.test" },
        { "X-Forwarded-Proto": "https" },
        { "X-Forwarded-Proto": "https, http" },
        { "X-Forwarded-Proto": "HTTPS" },
        { "X-Forwarded-Proto": "javascript" },
        { "X-Forwarded-Proto": "http" },
        { "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https" },
        { "X-Forwarded-Host": "" },
        { "X-Forwarded-Proto": "" },
      ];
      // What the handler answers without a cache, by the same headers.
      const bare = express();
      bare.set("trust proxy", true);
      bare.get("/", (req, res) => res.send(`${req.protocol}://${req.hostname}/ ${req.secure}`));
      const bareUrl = await serve(bare);
      for (const more of [...forwarded, ...forwarded.toReversed()]) {
        const headers = { Host: "one.test", ...more };
        const expected = textOf(await send(bareUrl, { headers }));
        expect({ ...more, text: (await ask(headers)).text }).toEqual({ ...more, text: expected });
      }
    });

    it("can be left out of the variant", async () => {
      const ask = await start(false, { host: false });
      await ask({ Host: "one.test" });
      expect(await ask({ Host: "two.test" })).toEqual({
        text: "http://one.test/ false",
        isHit: true,
      });
    });
  });
});

describe("the host under node:http", () => {
  it.each([
    [1, ["a.test", "b.test"]],
    [false, ["one.test", "one.test"]],
  ] as const)("is what trustProxy: %p makes of it", async (trustProxy, hosts) => {
    const kit = makeKit({ redis: false, trustProxy });
    const url = await serve(
      chain([kit.cache("home")], (request, response) => {
        response.end(
          trustProxy === false ? request.headers.host : request.headers["x-forwarded-host"],
        );
      }),
    );
    const ask = async (forwarded: string) =>
      textOf(await send(url, { headers: { Host: "one.test", "X-Forwarded-Host": forwarded } }));
    expect([await ask("a.test"), await ask("b.test")]).toEqual(hosts);
    expect([await ask("a.test"), await ask("b.test")]).toEqual(hosts);
  });
});
