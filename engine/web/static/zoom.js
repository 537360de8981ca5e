// Closer, wider and day by day on the account's charts, without a reload. The links above do the same without it.
"use strict";

const place = document.querySelector("[data-series]");
const form = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const [LEFT, RIGHT, TOP, BOTTOM, FEWEST] = [72, 628, 16, 232, 20];

// About five round values between two others, as the server draws them.
const rounds = (low, high) => {
  const power = 10 ** Math.floor(Math.log10((high - low) / 5));
  const step = power * ([1, 2, 5].find((each) => each * power >= (high - low) / 5) || 10);
  const found = [];
  for (let k = Math.ceil(low / step); k <= Math.floor(high / step); k += 1) found.push(k * step);
  return found;
};

const node = (name, attributes, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  if (text !== undefined) made.textContent = text;
  return made;
};

const draw = (chart, lines, days) => {
  const known = lines.flatMap(([, values]) => values).filter((each) => each !== null);
  let [low, high] = [Math.min(...known), Math.max(...known)];
  const margin = 0.04 * (high - low) || 0.01 * Math.abs(high) || 1;
  [low, high] = [low - margin, high + margin];
  const x = (row) => LEFT + ((RIGHT - LEFT) * row) / Math.max(days.length - 1, 1);
  const y = (value) => BOTTOM - ((BOTTOM - TOP) * (value - low)) / (high - low);
  chart.replaceChildren();
  chart.append(node("text", { class: "tick", x: LEFT, y: 254 }, days[0]));
  chart.append(node("text", { class: "tick", x: RIGHT, y: 254, "text-anchor": "end" }, days[days.length - 1]));
  rounds(low, high).forEach((value) => {
    chart.append(node("path", { class: "grid", d: `M${LEFT} ${y(value)}H${RIGHT}` }));
    chart.append(node("text", { class: "tick", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, form.format(value)));
  });
  lines.forEach(([kind, values]) => {
    const points = values.map((value, row) => (value === null ? "" : `${x(row)},${y(value)}`)).join(" ");
    chart.append(node("polyline", { class: kind, points }));
  });
  chart.append(node("path", { class: "cursor", d: "" }));
  const name = chart.getAttribute("aria-label").replace(/, \d{4}-\d\d-\d\d to .*/, "");
  chart.setAttribute("aria-label", `${name}, ${days[0]} to ${days[days.length - 1]}`);
};

const begin = async () => {
  const [slider, said] = [place.querySelector("input"), place.querySelector("output")];
  const charts = [...document.querySelectorAll("svg.chart")].slice(0, 3); // the years below stay those of the page
  let [data, days] = [null, []];
  const look = () => {
    const row = Number(slider.value);
    const percent = (value) => `${(100 * value).toFixed(1)} %`;
    said.textContent =
      `${days[row]}: ${form.format(data.equity[row])}, just holding ${form.format(data.benchmark[row])}; ` +
      `${percent(-data.drawdown[row])} below the highest so far; ${percent(data.exposure[row])} invested.`;
    const x = LEFT + ((RIGHT - LEFT) * row) / Math.max(days.length - 1, 1);
    charts.forEach((chart) => chart.querySelector(".cursor").setAttribute("d", `M${x} ${TOP}V${BOTTOM}`));
  };
  const show = async (since, until) => {
    const query = new URLSearchParams({ points: 1500, ...(since && { since }), ...(until && { until }) });
    const answer = await fetch(`${place.dataset.series}?${query}`);
    if (!answer.ok) return;
    data = await answer.json();
    days = data.time.map((each) => each.slice(0, 10));
    const times = (values, by) => values.map((each) => (each === null ? null : by * each));
    const of100 = (values) => times(values, 100);
    const beside = times(data.benchmark, data.equity[0] / data.benchmark[0]); // both begin with the same money
    draw(charts[0], [["held", beside], ["own", data.equity]], days);
    draw(charts[1], [["held", of100(data.benchmark_drawdown)], ["own", of100(data.drawdown)]], days);
    draw(charts[2], [["own", of100(data.exposure)]], days);
    slider.max = days.length - 1;
    slider.value = Math.round(days.length / 2);
    place.querySelector("[data-note]").textContent = data.thinned
      ? `${data.shown} of ${data.within} bars are drawn: the lowest and the highest of every part.`
      : `All ${data.within} bars of this window are drawn.`;
    look();
  };
  const closer = () => {
    const [row, wide] = [Number(slider.value), Math.max(Math.floor(days.length / 4), FEWEST)];
    show(days[Math.max(row - wide, 0)], days[Math.min(row + wide, days.length - 1)]);
  };
  slider.addEventListener("input", look);
  place.querySelector("[data-closer]").addEventListener("click", closer);
  place.querySelector("[data-whole]").addEventListener("click", () => show());
  await show(place.dataset.since, place.dataset.until);
  place.hidden = false;
};

if (place) begin();
