// Opens the pages of make_pages.py in a real Chromium: nothing from outside, no error, sorting, filters, the report saved,
// complete without JavaScript, no sideways scrolling, fast, and nothing that axe finds.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, chromium, modules] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(modules, "package.json")));
const playwright = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"];
const WIDTHS = [390, 1400];
const MOST_BYTES = { "default.html": 1_000_000, "most.html": 5_000_000 };
const MOST_MILLISECONDS = 3000;

const browser = await playwright.chromium.launch({ executablePath: chromium, args: ARGUMENTS });

async function open(page, name) {
  const told = [];
  page.on("console", (message) => told.push(message.text()));
  page.on("pageerror", (error) => told.push(String(error)));
  page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) told.push(request.url()); });
  const start = performance.now();
  await page.goto(pathToFileURL(join(folder, name)).href);
  return { told, milliseconds: Math.round(performance.now() - start) };
}

async function visit(name, options, look) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  const opened = await open(page, name);
  await look(page, opened);
  assert.deepEqual(opened.told, [], `${name}: errors or requests`);
  await context.close();
}

const pages = readdirSync(folder).filter((name) => name.endsWith(".html")).sort();
assert.ok(pages.length >= 10, "too few pages");

for (const name of pages) {
  const bytes = statSync(join(folder, name)).size;
  assert.ok(bytes < (MOST_BYTES[name] ?? 1_500_000), `${name} has ${bytes} bytes`);
  for (const width of WIDTHS) {
    for (const colorScheme of ["light", "dark"]) {
      await visit(name, { viewport: { width, height: 900 }, colorScheme }, async (page, { milliseconds }) => {
        assert.ok(milliseconds < MOST_MILLISECONDS, `${name} took ${milliseconds} ms`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wide <= 0, `${name} scrolls ${wide} pixels sideways at ${width}`);
        if (name === "most.html") return; // axe takes minutes for thousands of rows that are all alike
        await page.evaluate(axe);
        const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
        const violations = found.violations.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 200)}`);
        assert.deepEqual(violations, [], `${name} at ${width}, ${colorScheme}`);
        if (width === 1400 && colorScheme === "light") console.log(`${name}: ${bytes} bytes, ${milliseconds} ms`);
      });
    }
  }
  await visit(name, { javaScriptEnabled: false }, async (page) => {
    assert.equal(await page.locator(".js:visible").count(), 0, `${name}: a button that does nothing`);
    const { rows, headings } = { rows: await page.locator("tbody tr").count(), headings: await page.locator("h2").count() };
    assert.ok(rows > 0 && headings > 1, `${name} is empty without JavaScript`);
  });
}

await visit("default.html", {}, async (page) => {
  const table = page.locator("table.long").first();
  const column = async () => table.locator("tbody tr:visible td:nth-child(2)").allTextContents();
  const before = await column();
  await table.locator("th button").nth(1).click();
  assert.deepEqual(await column(), [...before].sort(), "sorting by dtype");
  assert.equal(await table.locator("th").nth(1).getAttribute("aria-sort"), "ascending");
  await page.keyboard.press("Enter");
  assert.deepEqual(await column(), [...before].sort().reverse(), "sorting from the keyboard, the other way round");
  const input = page.locator(".filter input").first();
  await input.fill("float16 naive");
  assert.deepEqual([...new Set(await column())].sort(), ["float16"], "the filter takes all words, each from its beginning");
  const download = page.waitForEvent("download");
  await page.locator("#export").click();
  const saved = JSON.parse(readFileSync(await (await download).path(), "utf8"));
  assert.equal(saved.schema, "cestab.sweep/1");
  assert.equal(saved.settings.length, 288);
});

await visit("default.html", { permissions: ["clipboard-read", "clipboard-write"] }, async (page) => {
  const command = page.locator(".command").first();
  await command.locator("button").click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, await command.locator("code").textContent(), "the command that is copied");
  assert.match(copied, /^cestab explain /);
});

await visit("hostile.html", {}, async (page) => {
  assert.notEqual(await page.title(), "run");
  assert.ok((await page.locator("td", { hasText: "<script>" }).count()) > 0, "a name is text");
});

await browser.close();
console.log(`${pages.length} pages: nothing found`);
