// The upstream with what its command line cannot say: rankings and judgements.
// node aimock.mjs <package's index.js> <fixtures>
import { pathToFileURL } from "node:url";

const [library, fixtures] = process.argv.slice(2);
const { LLMock } = await import(pathToFileURL(library));
const auth = { apiKeys: process.env.AIMOCK_API_KEYS.split(",") };
const mock = new LLMock({ port: 0, auth });
mock.loadFixtureFile(fixtures);
mock.onRerank(/best/, [
  { index: 2, relevance_score: 0.9 },
  { index: 0, relevance_score: 0.2 },
]);
mock.onModerate(/harm/, {
  flagged: true,
  categories: { violence: true },
  category_scores: { violence: 0.97 },
});
const url = await mock.start();
console.log(`listening on ${url}`);
process.on("SIGTERM", () => mock.stop().then(() => process.exit(0)));
