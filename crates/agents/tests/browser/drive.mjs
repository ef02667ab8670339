// Drives the page as a person would, and keeps screenshots:
//
//   npm install --prefix crates/agents/tests/browser
//   node crates/agents/tests/browser/drive.mjs http://127.0.0.1:8080/ FOLDER [CHROMIUM]
//
// `tests/browser.rs` starts a server and runs this. Prints a JSON line for each look of the page; ends with 1 if a check failed.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";

const [url, out, chromium = "/usr/bin/chromium"] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wait = { timeout: 20000 };
const failed = [];
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });

async function look(name, width, height, scheme) {
  const page = await browser.newPage();
  const check = (ok, what) => { if (!ok) failed.push(`${name}: ${what}`); };
  let hostile = false;
  page.on("console", (message) => { if (message.type() === "error") failed.push(`${name}: console: ${message.text()}`); });
  page.on("pageerror", (error) => failed.push(`${name}: ${error.message}`));
  page.on("dialog", (dialog) => { hostile = true; dialog.dismiss(); });
  page.on("request", (request) => check(request.url().startsWith(url), `asks elsewhere: ${request.url()}`));
  await page.setViewport({ width, height, isMobile: width < 500, hasTouch: width < 500 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "domcontentloaded" });
  const focused = () => page.evaluate(() => document.activeElement && (document.activeElement.id || document.activeElement.tagName));
  await page.waitForFunction(() => document.activeElement && document.activeElement.id === "message", wait);

  const fits = async (where) => check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where} is wider than the window`);
  const accessible = async (where) => {
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
    for (const v of found.violations) failed.push(`${name}: ${where}: ${v.id} (${v.nodes.length}): ${v.nodes[0].target} ${v.nodes[0].failureSummary}`);
    return found.passes.length;
  };
  const shot = (what, whole = false) => page.screenshot({ path: `${out}/${name}-${what}.png`, fullPage: whole });

  // By keyboard alone: back from the message box to the choice of a system, choose, and forth again.
  for (let n = 0; n < 30 && (await focused()) !== "team"; n += 1) {
    await page.keyboard.down("Shift"); await page.keyboard.press("Tab"); await page.keyboard.up("Shift");
  }
  check((await focused()) === "team", "the choice of a system cannot be reached by keyboard");
  const teams = await page.$$eval("#team option", (options) => options.map((option) => option.value));
  await page.keyboard.press("End");
  const team = await page.$eval("#team", (select) => select.value);
  check(team === teams[teams.length - 1] && team !== teams[0], `keyboard chose ${team} of ${teams}`);
  for (let n = 0; n < 30 && (await focused()) !== "message"; n += 1) await page.keyboard.press("Tab");
  check((await focused()) === "message", "the message box cannot be reached by keyboard");

  const answers = () => page.$$eval("#turns > li.system", (turns) => turns.length);
  const say = async (text) => {
    const before = await answers();
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
    await page.waitForFunction((n) => document.querySelectorAll("#turns > li.system").length > n && !document.getElementById("send").disabled, wait, before);
  };
  await say("I loved Alien and The Matrix");
  await page.waitForFunction(() => document.querySelectorAll("#events li").length > 4, wait);
  // The events come in the order in which they happened.
  const order = await page.$$eval("#events li", (events) => events.map((event) => Number(event.dataset.number)));
  check(order.length > 4 && order.every((number, at) => at === 0 || number > order[at - 1]), `events out of order: ${order}`);
  await say("a comedy from the 90s <img src=x onerror=alert(1)><script>alert(2)</script>");
  check((await page.$$eval("#turns img, #turns script, #events img", (found) => found.length)) === 0 && !hostile, "a message became markup");
  const cards = await page.$$eval("#turns > li:last-child .cards > li", (found) => found.length);
  check(cards === 5, `${cards} cards`);
  // The evidence behind the first recommendation, by keyboard.
  for (let n = 0; n < 80; n += 1) {
    if (await page.evaluate(() => document.activeElement.matches("#turns > li:last-child .cards summary"))) break;
    if (n === 0) await page.focus("#turns > li:last-child .cards > li summary");
  }
  await page.keyboard.press("Enter");
  const reasons = await page.$eval("#turns > li:last-child .cards > li details", (found) => found.open && found.querySelectorAll("li").length);
  check(reasons > 0, "no evidence behind the first recommendation");
  await fits("the dialogue");
  const passed = await accessible("the dialogue");
  await shot("talk");
  if (width < 500) await shot("talk-whole", true);
  // Feedback by a button of a card.
  const turns = await answers();
  await page.evaluate(() => document.querySelector("#turns > li:last-child .feedback button:nth-child(2)").focus());
  await page.keyboard.press("Enter");
  await page.waitForFunction((n) => document.querySelectorAll("#turns > li.system").length > n, wait, turns);
  check((await page.$eval("#known", (known) => known.textContent)).includes("dislike"), "feedback is not known");
  // A reload goes on with the same dialogue.
  const before = await page.$$eval("#turns > li", (found) => found.length);
  const eventsBefore = await page.$$eval("#events li", (found) => found.length);
  await page.reload({ waitUntil: "domcontentloaded" });
  await page.waitForFunction((n) => document.querySelectorAll("#turns > li").length === n, wait, before);
  await page.waitForFunction((n) => document.querySelectorAll("#events li").length === n, wait, eventsBefore);
  check((await page.$eval("#team", (select) => select.value)) === team, "the chosen system is forgotten");

  // Samples: choose task and system, run, see the answer and the truth.
  await page.focus("#tab-chat");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.querySelectorAll("#sample option").length > 0, wait);
  check(!(await page.$eval("#result", (result) => result.textContent)).includes("Truth"), "the truth is told before the answer");
  await page.select("#task", "ranking");
  await page.waitForFunction(() => [...document.querySelectorAll("#shown summary")].some((s) => s.textContent === "Candidates"), wait);
  await page.select("#system", "reflect_analyse_search_interpret");
  await page.focus("#run");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#result .panel"), wait);
  const result = await page.$eval("#result", (found) => found.textContent);
  check(result.includes("Truth"), result);
  await fits("the samples");
  await accessible("the samples");
  await shot("samples");
  console.log(JSON.stringify({ name, team, events: order.length, cards, reasons, passed, result: result.slice(0, 120) }));
  await page.close();
}

for (const scheme of ["light", "dark"]) {
  for (const [size, width, height] of [["desktop", 1280, 900], ["phone", 390, 844]]) {
    await look(`${size}-${scheme}`, width, height, scheme).catch((error) => failed.push(`${size}-${scheme}: ${error.message}`));
  }
}
console.log(failed.length ? `FAILED\n${failed.join("\n")}` : "ok");
await browser.close();
process.exitCode = failed.length ? 1 : 0;
