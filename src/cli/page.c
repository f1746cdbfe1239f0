/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every page has: the frame with its style, texts and numbers, and how it becomes a file.
 *
 * Every text of the data is escaped here, in tm__page_text() alone. A page forbids itself to load
 * anything or to run a script (its policy), so that even a mistake there would do no harm.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "cli/page_priv.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--dim:#5c6675;"
    "--line:#e2e6ec;--bar:#3b76d6;--soft:#dce7f9;--warn:#b45309;--warnbg:#fff4e0;--bad:#b42318;"
    "--badbg:#fdeceb;--low:#c8553d;--high:#3b76d6}"
    "@media(prefers-color-scheme:dark){:root{--bg:#11151b;--card:#191f28;--ink:#e6eaf0;"
    "--dim:#98a3b3;--line:#2b3442;--bar:#6ea0f2;--soft:#25344d;--warn:#f0b35a;--warnbg:#33270f;"
    "--bad:#f58a80;--badbg:#3a1a18;--low:#e58b74;--high:#6ea0f2}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}"
    "h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}"
    "h2{font-size:18px;margin:36px 0 12px}h3{font-size:16px;margin:0;overflow-wrap:anywhere}"
    "p{margin:0 0 12px}.dim{color:var(--dim)}.small{font-size:13px}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;"
    "margin:20px 0 0;padding:0}"
    ".tiles div,.card,.box{background:var(--card);border:1px solid var(--line);border-radius:10px}"
    ".tiles div{padding:12px 16px}.tiles dt{color:var(--dim);font-size:13px}"
    ".tiles dd{margin:0;font-size:22px;font-variant-numeric:tabular-nums}"
    ".card{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,440px);gap:8px 28px;"
    "padding:18px 20px;margin:0 0 14px;align-items:start}.box{padding:18px 20px;overflow-x:auto}"
    "@media(max-width:760px){.card{grid-template-columns:minmax(0,1fr)}}"
    ".head{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center;margin-bottom:10px}"
    ".tag{font-size:12px;line-height:20px;padding:0 8px;border-radius:10px;background:var(--soft)}"
    ".note{font-size:12px;line-height:20px;padding:0 8px;border-radius:10px;color:var(--warn);"
    "background:var(--warnbg)}"
    ".facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(128px,1fr));gap:6px 18px;"
    "margin:0}.facts dt{color:var(--dim);font-size:12px;line-height:16px}"
    ".facts dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}"
    ".wide{grid-column:1/"
    "-1}.miss{height:6px;border-radius:3px;background:var(--bar);overflow:hidden;margin:2px 0 6px}"
    ".miss i{display:block;height:100%;background:var(--line);margin-left:auto}"
    "figure{margin:0}figure+figure{margin-top:12px}figcaption{color:var(--dim);font-size:12px}"
    "svg{display:block;width:100%;max-width:440px;height:auto;overflow:visible}"
    "svg text{font-size:11px;fill:var(--dim);font-variant-numeric:tabular-nums}"
    "svg .b{fill:var(--bar)}svg .b:hover{opacity:.75}svg .a{stroke:var(--line)}"
    "svg .m{stroke:var(--dim);stroke-dasharray:3 3;fill:none}svg .l{stroke:var(--low);fill:none;"
    "stroke-width:2;stroke-linejoin:round}svg .d{fill:var(--low)}"
    ".bars{display:grid;grid-template-columns:minmax(70px,max-content) minmax(60px,1fr) "
    "max-content max-content;gap:3px 10px;align-items:center;font-size:13px;"
    "font-variant-numeric:tabular-nums}"
    ".bars .k{max-width:190px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}"
    ".bars .n{text-align:right}.bars .t{background:var(--soft);border-radius:3px;height:12px}"
    ".bars .t i{display:block;height:100%;border-radius:3px;background:var(--bar)}"
    ".find{list-style:none;margin:0;padding:0}.find li{border-left:4px solid var(--warn);"
    "background:var(--warnbg);border-radius:6px;padding:10px 14px;margin:0 0 8px}"
    ".find li.plain{border-color:var(--line);background:none}"
    ".find li.bad{border-color:var(--bad);background:var(--badbg)}.find b{overflow-wrap:anywhere}"
    "table{border-collapse:collapse;font-size:12px;font-variant-numeric:tabular-nums}"
    "td,th{padding:4px 6px;text-align:center;font-weight:400;white-space:nowrap}"
    "th:first-child{text-align:right}thead th{color:var(--dim);max-width:90px;overflow:hidden;"
    "text-overflow:ellipsis}td{border:1px solid var(--card);border-radius:4px}"
    "footer{margin-top:40px;color:var(--dim);font-size:13px}"
    "@media print{body{background:#fff}.card,.box,figure{break-inside:avoid}nav{display:none}}";

/* Of plots with scales, and of plain tables. */
static const char plot_style[] =
    ".plot{max-width:480px}svg .band{fill:var(--soft)}svg .e{stroke:var(--bar);stroke-width:1.5}"
    "svg .dash{stroke:var(--low);fill:none;stroke-width:2;stroke-dasharray:5 4}"
    "svg .f{stroke:var(--bar);fill:none;stroke-width:2;stroke-linejoin:round}"
    "svg .g{stroke:var(--line);stroke-width:.7}.verdict{font-size:20px;margin:0 0 8px}"
    ".list{width:100%;font-size:13px}.list td,.list th{text-align:right;border:0;border-bottom:1px "
    "solid var(--line);border-radius:0;padding:5px 10px 5px 0}.list "
    "tr>:first-child{text-align:left;"
    "white-space:normal;overflow-wrap:anywhere;min-width:8.5em}.list thead th{max-width:none}"
    ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:14px;"
    "margin:0 0 14px}.two>.box{min-width:0}.two .plot{max-width:520px}.two h3{margin:0 0 8px}"
    "details{margin-top:8px;font-size:13px}summary{cursor:pointer;color:var(--dim)}details>table{"
    "margin-top:6px;display:block;overflow-x:auto}svg .r{fill:var(--low);opacity:.75}"
    "svg .s{fill:var(--soft)}svg .w{stroke:var(--low);stroke-width:1.5}"
    ".say{max-width:75ch}.say li{margin:0 0 6px}.num{font-variant-numeric:tabular-nums}"
    ".bad{color:var(--bad)}.good{color:var(--bar)}nav a{color:inherit;margin-right:14px}"
    "code{overflow-wrap:anywhere}a:focus-visible,summary:focus-visible{outline:2px solid "
    "var(--bar)}";

/* --- texts and numbers --- */

void tm__page_text(tm_buf *out, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        switch (*c) {
        case '&':
            (void)tm__buf_text(out, "&amp;");
            break;
        case '<':
            (void)tm__buf_text(out, "&lt;");
            break;
        case '>':
            (void)tm__buf_text(out, "&gt;");
            break;
        case '"':
            (void)tm__buf_text(out, "&quot;");
            break;
        case '\'':
            (void)tm__buf_text(out, "&#39;");
            break;
        default: /* HTML knows no other control characters than these */
            (void)tm__buf_byte(out,
                               (uint8_t)((unsigned char)*c < ' ' && *c != '\t' && *c != '\n' ? '?'
                                         : *c == 0x7f                                        ? '?'
                                                                                             : *c));
        }
    }
}

void tm__page_groups(tm_buf *out, const char *text) {
    const size_t n_sign = text[0] == '-';
    size_t n_whole = n_sign;
    while (tm__is_digit(text[n_whole])) {
        n_whole++;
    }
    if (n_sign > 0) {
        (void)tm__buf_text(out, "&minus;");
    }
    for (size_t i = n_sign; i < n_whole; i++) {
        if (i > n_sign && (n_whole - i) % 3 == 0) {
            (void)tm__buf_byte(out, ',');
        }
        (void)tm__buf_byte(out, (uint8_t)text[i]);
    }
    (void)tm__buf_text(out, text + n_whole);
}

void tm__page_number(tm_buf *out, double value) {
    char text[64];
    const double size = fabs(value);
    if (!isfinite(value)) {
        (void)tm__buf_text(out, "&ndash;");
        return;
    }
    if (size >= 1e15 || (size > 0 && size < 1e-4)) {
        (void)snprintf(text, sizeof(text), "%.3e", value);
    } else if (size >= 1000 || value == trunc(value)) {
        (void)snprintf(text, sizeof(text), "%.0f", value);
    } else {
        (void)snprintf(text, sizeof(text), "%.4g", value);
    }
    tm__page_groups(out, text);
}

void tm__page_count(tm_buf *out, int64_t count) {
    char text[32];
    (void)snprintf(text, sizeof(text), "%lld", (long long)count);
    tm__page_groups(out, text);
}

void tm__page_share(tm_buf *out, double share) {
    const double percent = 100 * share;
    if (percent > 0 && percent < 0.1) {
        (void)tm__buf_text(out, "&lt;0.1 %");
    } else if (percent > 99.9 && percent < 100) {
        (void)tm__buf_text(out, "&gt;99.9 %");
    } else {
        (void)tm__buf_printf(out, percent < 10 && percent > 0 ? "%.1f %%" : "%.0f %%", percent);
    }
}

/* --- the frame --- */

void tm__page_tile(tm_buf *out, const char *name, int64_t count) {
    (void)tm__buf_printf(out, "<div><dt>%s</dt><dd>", name);
    tm__page_count(out, count);
    (void)tm__buf_text(out, "</dd></div>");
}

void tm__page_tile_text(tm_buf *out, const char *name, const char *text) {
    (void)tm__buf_text(out, "<div><dt>");
    tm__page_text(out, name);
    (void)tm__buf_text(out, "</dt><dd>");
    tm__page_text(out, text);
    (void)tm__buf_text(out, "</dd></div>");
}

void tm__page_tile_share(tm_buf *out, const char *name, double share) {
    (void)tm__buf_printf(out, "<div><dt>%s</dt><dd>", name);
    tm__page_share(out, share);
    (void)tm__buf_text(out, "</dd></div>");
}

void tm__page_begin(tm_buf *out, const char *title, const char *kind) {
    (void)tm__buf_text(out, "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
                            "<meta http-equiv=Content-Security-Policy content=\"default-src "
                            "'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action "
                            "'none'\"><meta name=viewport content='width=device-width, "
                            "initial-scale=1'><meta name=referrer content=no-referrer><title>");
    tm__page_text(out, title);
    (void)tm__buf_text(out, " &ndash; ");
    tm__page_text(out, kind);
    (void)tm__buf_text(out, "</title><style>");
    (void)tm__buf_text(out, style);
    (void)tm__buf_text(out, plot_style);
    (void)tm__buf_text(out, "</style></head>\n<body><main>");
}

void tm__page_end(tm_buf *out) {
    (void)tm__buf_text(out, "</main></body></html>\n");
}

tm_status tm__page_save(tm_cli *cli, const char *path, const tm_buf *page, tm_err *err) {
    if (page->failed) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the page");
    }
    TM_TRY(tm__fs_publish(path, page->data, page->len, err));
    tm__cli_did(cli, "the page is in '%s'", path);
    tm__cli_note(cli, "the page is in '%s'", path);
    return TM_OK;
}
