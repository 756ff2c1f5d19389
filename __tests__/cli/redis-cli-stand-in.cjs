/** As much of redis-cli as the recipes use, over ioredis, for machines that have none: node … <socket> [arguments]. */
const { createInterface } = require("node:readline");
const { Redis } = require("ioredis");

const [socket, ...args] = process.argv.slice(2);
const redis = new Redis({ path: socket });

function print(reply) {
  if (Array.isArray(reply)) reply.forEach(print);
  else if (reply instanceof Error) console.log(reply.message);
  else console.log(reply === null ? "" : String(reply));
}

/** Words, and texts between double quotes. */
function split(line) {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
}

async function scan() {
  const at = args.indexOf("--pattern");
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "MATCH", at === -1 ? "*" : args[at + 1]);
    keys.forEach(print);
    cursor = next;
  } while (cursor !== "0");
}

async function main() {
  if (args[0] === "--scan") await scan();
  else if (args.length > 0) print(await redis.call(...args));
  else {
    for await (const line of createInterface({ input: process.stdin })) {
      print(await redis.call(...split(line)).catch((error) => error));
    }
  }
  redis.disconnect();
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
