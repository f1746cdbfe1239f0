/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an answer in XML: the walk ends, what it gives is UTF-8 and lies in the document. */
#include <stdlib.h>

#include "store/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool fact) {
    if (!fact) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_xml xml;
    const char *const document = (const char *)data;
    size_t n_start = 0, n_end = 0, n_text = 0;
    tm__xml_init(&xml, (tm_str){document, len});
    for (;;) {
        const tm_xml_kind kind = tm__xml_next(&xml);
        if (kind == TM_XML_DONE || kind == TM_XML_BAD) {
            must((kind == TM_XML_BAD) == (xml.fault != NULL));
            must(kind == TM_XML_BAD || (n_start == n_end && n_start > 0));
            must(tm__xml_next(&xml) == kind);
            break;
        }
        must(xml.name.ptr >= document && xml.name.ptr + xml.name.len <= document + len);
        n_start += kind == TM_XML_START ? 1 : 0;
        n_end += kind == TM_XML_END ? 1 : 0;
        must(n_start - n_end == xml.depth && xml.depth <= TM_XML_DEPTH_MAX);
        if (kind == TM_XML_END && xml.text.len > 0) {
            n_text += xml.text.len;
            must(tm__str_is_utf8((tm_str){(const char *)xml.text.data, xml.text.len}));
        }
        must(n_start <= len && n_text <= len);
    }
    tm__xml_done(&xml);
    return 0;
}
