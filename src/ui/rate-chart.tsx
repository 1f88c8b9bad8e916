import { useEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import uPlot from 'uplot';
import { RATE_SECONDS } from './rate-window.js';
import { rateSeries } from './state.js';

const HEIGHT_PX = 112;
const SECONDS_AGO = Array.from({ length: RATE_SECONDS }, (_, index) => index - RATE_SECONDS + 1);

/** Events per second over the last minute. The figure beside it says the same to those who cannot see it. */
export function RateChart(): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => (holder.current === null ? undefined : mountChart(holder.current)), []);
  return <div class="chart" ref={holder} role="img" aria-label="Events per second over the last 60 seconds" />;
}

/** Draws into `element` until the returned function is called. */
function mountChart(element: HTMLElement): () => void {
  const chart = new uPlot(chartOptions(element), dataOf(rateSeries.peek()), element);
  const unsubscribe = rateSeries.subscribe((series) => chart.setData(dataOf(series)));
  const resize = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
  resize.observe(element);
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const redraw = (): void => chart.redraw(false, true);
  scheme.addEventListener('change', redraw);
  return () => {
    unsubscribe();
    resize.disconnect();
    scheme.removeEventListener('change', redraw);
    chart.destroy();
  };
}

function dataOf(series: readonly number[]): uPlot.AlignedData {
  return [SECONDS_AGO, series.length === 0 ? SECONDS_AGO.map(() => 0) : [...series]];
}

function chartOptions(element: HTMLElement): uPlot.Options {
  const colour = (name: string) => (): string => getComputedStyle(element).getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour('--dim'),
    font: '11px ui-sans-serif, system-ui, sans-serif',
    ticks: { show: false },
    gap: 4,
  };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false }, y: { range: (_, _min, max) => [0, Math.max(4, max * 1.15)] } },
    axes: [
      {
        ...axis,
        size: 22,
        grid: { show: false },
        splits: () => [1 - RATE_SECONDS, -45, -30, -15, 0],
        values: (_, splits) => splits.map((ago) => (ago === 0 ? 'now' : `${ago === 1 - RATE_SECONDS ? -60 : ago} s`)),
      },
      {
        ...axis,
        size: 34,
        space: 32,
        grid: { stroke: colour('--line'), width: 1 },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000],
      },
    ],
    series: [
      {},
      {
        stroke: colour('--accent'),
        fill: colour('--accent-wash'),
        width: 1.75,
        points: { show: false },
        ...(uPlot.paths.spline === undefined ? {} : { paths: uPlot.paths.spline() }),
      },
    ],
  };
}
