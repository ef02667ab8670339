// Drives the page as a person would, by keyboard, at desktop and phone width, light and dark, and keeps screenshots:
//   cargo run -p agents --features web --example page -- datasets/mt-mini 8765
//   npm i puppeteer-core && node drive.mjs http://127.0.0.1:8765/ FOLDER
// Seen with puppeteer-core and Chromium from Debian. Not part of `cargo test`.
import puppeteer from "puppeteer-core";
const url = process.argv[2], out = process.argv[3];
const browser = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const fails = [];
for (const [name, width, height, scheme] of [["desktop-light", 1280, 900, "light"], ["phone-dark", 390, 844, "dark"]]) {
  const page = await browser.newPage();
  page.on("console", (m) => { if (m.type() === "error") fails.push(`${name}: ${m.text()}`); });
  page.on("pageerror", (e) => fails.push(`${name}: ${e.message}`));
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForFunction(() => document.activeElement && document.activeElement.id === "message", { timeout: 20000 });
  // By keyboard alone.
  const say = async (text, n) => { await page.keyboard.type(text); await page.keyboard.press("Enter"); await page.waitForFunction((n) => document.querySelectorAll("#turns > li.system").length >= n, { timeout: 20000 }, n); };
  await say("I loved Alien and The Matrix", 1);
  await say("a comedy from the 90s <img src=x onerror=alert(1)>", 2);
  await page.waitForFunction(() => document.querySelectorAll("#events li").length > 8);
  const cards = await page.$$eval(".cards > li", (c) => c.length);
  const images = await page.$$eval("img", (c) => c.length);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  await page.evaluate(() => document.querySelectorAll(".cards details")[0].setAttribute("open", ""));
  await page.screenshot({ path: `${out}/${name}.png`, fullPage: width < 500 });
  const before = await page.$$eval("#turns > li", (c) => c.length);
  await page.reload({ waitUntil: "domcontentloaded" });
  await page.waitForFunction((n) => document.querySelectorAll("#turns > li").length === n, { timeout: 20000 }, before);
  const events = await page.waitForFunction(() => document.querySelectorAll("#events li").length > 8, { timeout: 20000 }).then(() => true);
  await page.focus("#tab-chat"); await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.querySelectorAll("#sample option").length > 0, { timeout: 20000 });
  await page.select("#system", "analyse"); await page.click("#run");
  await page.waitForFunction(() => document.querySelector("#result .panel"), { timeout: 20000 });
  await page.screenshot({ path: `${out}/${name}-samples.png` });
  const wideSamples = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  if (wide || wideSamples) fails.push(`${name}: wider than the window`);
  const result = await page.$eval("#result", (r) => r.textContent);
  console.log(JSON.stringify({ name, cards, images, wide, events, result: result.slice(0, 160) }));
  await page.close();
}
console.log("errors:", JSON.stringify(fails));
process.exitCode = fails.length ? 1 : 0;
await browser.close();
