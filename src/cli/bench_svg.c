/* The x axis counts nines: 0 %, 90 %, 99 %, … lie at equal distances, so that the tail has room.
 * The y axis is logarithmic. Colours are of the Okabe-Ito palette, told apart without colour
 * vision. */
#include <math.h>

#include "cli/bench_report.h"

#define WIDTH 840.0
#define HEIGHT 460.0
#define LEFT 84.0
#define RIGHT 24.0
#define TOP 96.0
#define BOTTOM 56.0
#define POINTS 400u

struct chart {
    double nines;           /* at the right edge */
    double low_ns, high_ns; /* powers of ten */
    struct buffer *out;
};

static double x_of(const struct chart *chart, double nines)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * nines / chart->nines;
}

static double y_of(const struct chart *chart, double ns)
{
    double share = (log10(ns) - log10(chart->low_ns)) / (log10(chart->high_ns / chart->low_ns));
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share;
}

static void append_xml(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            buffer_append_str(out, STR("&lt;"));
        else if (*text == '&')
            buffer_append_str(out, STR("&amp;"));
        else if ((unsigned char)*text >= 0x20)
            buffer_append_char(out, *text);
    }
}

static void append_style(struct buffer *out)
{
    buffer_append_format(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
        "height=\"%.0f\" font-family=\"system-ui, sans-serif\" font-size=\"13\" role=\"img\">\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT);
    buffer_append_str(
        out, STR("<style>\n"
                 ".back{fill:#ffffff}.text{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d1d9e0}\n"
                 ".line{fill:none;stroke-width:2;stroke-linejoin:round}\n"
                 ".s0{stroke:#0072b2}.s1{stroke:#d55e00}.s2{stroke:#009e73}.s3{stroke:#cc79a7}"
                 ".s4{stroke:#8a6d00}.s5{stroke:#59636e}\n"
                 "@media (prefers-color-scheme: dark){\n"
                 ".back{fill:#0d1117}.text{fill:#f0f6fc}.soft{fill:#9198a1}.grid{stroke:#3d444d}\n"
                 ".s0{stroke:#56b4e9}.s1{stroke:#ff9248}.s2{stroke:#3fd3a4}.s3{stroke:#e39ac4}"
                 ".s4{stroke:#f0e442}.s5{stroke:#9198a1}}\n"
                 "</style>\n"));
}

static void append_axes(const struct chart *chart)
{
    static const char *const SHARES[] = {"0 %",     "90 %",     "99 %",     "99.9 %",
                                         "99.99 %", "99.999 %", "99.9999 %"};
    struct buffer *out = chart->out;
    for (double ns = chart->low_ns; ns <= chart->high_ns * 1.01; ns *= 10) {
        double y = y_of(chart, ns);
        buffer_append_format(out,
                             "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text class=\"soft\" "
                             "x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
                             LEFT, y, WIDTH - RIGHT, LEFT - 10, y + 4);
        if (ns >= 0.99e9)
            buffer_append_format(out, "%.0f s", ns / 1e9);
        else if (ns >= 0.99e6)
            buffer_append_format(out, "%.0f ms", ns / 1e6);
        else if (ns >= 0.99e3)
            buffer_append_format(out, "%.0f µs", ns / 1e3);
        else
            buffer_append_format(out, "%.0f ns", ns);
        buffer_append_str(out, STR("</text>\n"));
    }
    for (size_t i = 0; i < ARRAY_LEN(SHARES) && (double)i <= chart->nines; i++) {
        double x = x_of(chart, (double)i);
        buffer_append_format(out,
                             "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/><text class=\"soft\" "
                             "x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                             x, TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 20, SHARES[i]);
    }
    buffer_append_format(out,
                         "<text class=\"soft\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">share "
                         "of requests that were at least as fast</text>\n",
                         (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12);
}

/* Up to where a value is still expected beyond: log10 of the count. */
static double nines_of(const struct hdr_histogram *latency)
{
    return latency->count > 1 ? log10((double)latency->count) : 0.1;
}

static void append_line(const struct chart *chart, const struct bench_series *series, size_t index)
{
    double last = nines_of(series->latency);
    buffer_append_format(chart->out, "<path class=\"line s%zu\" d=\"", index);
    for (unsigned i = 0; i <= POINTS; i++) {
        double nines = last * i / POINTS;
        double share = 1 - pow(10, -nines);
        uint64_t ns = hdr_histogram_quantile_ns(series->latency, share);
        buffer_append_format(chart->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', x_of(chart, nines),
                             y_of(chart, ns > 0 ? (double)ns : 1));
    }
    buffer_append_format(chart->out, "\"><title>");
    append_xml(chart->out, series->name);
    buffer_append_str(chart->out, STR("</title></path>\n"));
}

static void append_legend(const struct chart *chart, const struct bench_series *series,
                          size_t count)
{
    double x = LEFT;
    for (size_t i = 0; i < count; i++) {
        buffer_append_format(chart->out,
                             "<path class=\"line s%zu\" d=\"M%.1f 77h22\"/><text class=\"text\" "
                             "x=\"%.1f\" y=\"81\">",
                             i, x, x + 28);
        append_xml(chart->out, series[i].name);
        buffer_append_str(chart->out, STR("</text>\n"));
        x += 48 + 8.0 * (double)strlen(series[i].name);
    }
}

static struct chart chart_of(struct buffer *out, const struct bench_series *series, size_t count)
{
    struct chart chart = {.nines = 1, .low_ns = 1e18, .high_ns = 1, .out = out};
    for (size_t i = 0; i < count; i++) {
        const struct hdr_histogram *latency = series[i].latency;
        chart.nines = fmax(chart.nines, nines_of(latency));
        if (latency->count == 0)
            continue;
        chart.low_ns = fmin(chart.low_ns, fmax((double)latency->min_ns, 1));
        chart.high_ns = fmax(chart.high_ns, (double)latency->max_ns);
    }
    chart.low_ns = pow(10, floor(log10(fmin(chart.low_ns, chart.high_ns))));
    chart.high_ns = pow(10, ceil(log10(fmax(chart.high_ns, chart.low_ns * 1.01))));
    return chart;
}

void bench_svg_append(struct buffer *out, const char *title, const char *subtitle,
                      const struct bench_series *series, size_t count)
{
    struct chart chart = chart_of(out, series, count);
    append_style(out);
    buffer_append_str(out, STR("<title>"));
    append_xml(out, title);
    buffer_append_format(out, "</title>\n<rect class=\"back\" width=\"%.0f\" height=\"%.0f\"/>\n",
                         WIDTH, HEIGHT);
    buffer_append_format(out,
                         "<text class=\"text\" x=\"%.1f\" y=\"30\" font-size=\"17\" "
                         "font-weight=\"600\">",
                         LEFT);
    append_xml(out, title);
    buffer_append_format(out, "</text>\n<text class=\"soft\" x=\"%.1f\" y=\"52\">", LEFT);
    append_xml(out, subtitle);
    buffer_append_str(out, STR("</text>\n"));
    append_axes(&chart);
    for (size_t i = 0; i < count; i++) {
        if (series[i].latency->count > 0)
            append_line(&chart, &series[i], i);
    }
    append_legend(&chart, series, count);
    buffer_append_str(out, STR("</svg>\n"));
}
