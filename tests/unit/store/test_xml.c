/* SPDX-License-Identifier: Apache-2.0 */
#include "store/xml.h"

#include <stdio.h>

#include "test.h"

/* The walk as a line: "<a>", "text</a>", "." at the end, "!fault". */
static void walk(const char *document, char *out, size_t size) {
    tm_xml xml;
    size_t n = 0;
    tm__xml_init(&xml, tm__str(document));
    for (;;) {
        const tm_xml_kind kind = tm__xml_next(&xml);
        const char *text = xml.text.data == NULL ? "" : (const char *)xml.text.data;
        const int len = (int)xml.name.len;
        if (kind == TM_XML_START) {
            n += (size_t)snprintf(out + n, size - n, "<%.*s>", len, xml.name.ptr);
        } else if (kind == TM_XML_END) {
            n += (size_t)snprintf(out + n, size - n, "%s</%.*s>", text, len, xml.name.ptr);
        } else {
            (void)snprintf(out + n, size - n, "%s%s", kind == TM_XML_DONE ? "." : "!",
                           kind == TM_XML_DONE ? "" : xml.fault);
            break;
        }
    }
    tm__xml_done(&xml);
}

static void documents_are_walked(void **state) {
    (void)state;
    const struct {
        const char *name, *document, *want;
    } cases[] = {
        {"an element", "<a>x</a>", "<a>x</a>."},
        {"prolog and space", "\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<a/>\n", "<a></a>."},
        {"children", "<a>\n <b>1</b><b>2</b>\n</a>", "<a><b>1</b><b>2</b>\n</a>."},
        {"attributes", "<a x='1' y = \">\"><b z=\"\"/></a >", "<a><b></b></a>."},
        {"entities", "<a>&amp;&lt;&gt;&quot;&apos;&#65;&#x42;&#xe9;&#8364;&#x1F600;</a>",
         "<a>&<>\"'AB\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80</a>."},
        {"a section", "<a>1<![CDATA[<&>]]>2</a>", "<a>1<&>2</a>."},
        {"comments", "<!-- <x> --><a>1<!-- -->2</a><!-- -->", "<a>12</a>."},
        {"a namespace", "<s:a xmlns:s='urn:x'><s:b>1</s:b></s:a>", "<a><b>1</b></a>."},
        {"nothing", "", "!it is cut short"},
        {"cut", "<a><b>1</b>", "<a><b>1</b>!it is cut short"},
        {"cut in a tag", "<a><b", "<a>!a tag is not closed"},
        {"crossed", "<a><b></a></b>", "<a><b>!an element ends that was not open"},
        {"too much closed", "<a></a></a>", "<a></a>!an element ends that was not open"},
        {"two documents", "<a/><b/>", "<a></a>!there is more than one document"},
        {"text before", "x<a/>", "!there is text outside of it"},
        {"text behind", "<a/>x", "<a></a>!there is text outside of it"},
        {"a document type", "<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>",
         "!it has a document type"},
        {"an entity of its own", "<a>&b;</a>", "<a>!it has an entity that is not one of XML's own"},
        {"a character that is none", "<a>&#0;</a>",
         "<a>!it has an entity that is not one of XML's own"},
        {"half of a pair", "<a>&#xD800;</a>", "<a>!it has an entity that is not one of XML's own"},
        {"a long number", "<a>&#123456789;</a>",
         "<a>!it has an entity that is not one of XML's own"},
        {"not UTF-8", "<a>\xFF</a>", "!it is not UTF-8"},
        {"an open comment", "<a><!-- </a>", "<a>!a comment is not closed"},
        {"no name", "<a>< b/></a>", "<a>!an element has no name, or a long one"},
        {"a lower-than in an attribute", "<a x='<'/>", "!a tag is not closed"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char got[512] = "";
        walk(cases[i].document, got, sizeof(got));
        if (strcmp(got, cases[i].want) != 0) {
            print_error("%s: got %s\n", cases[i].name, got);
        }
        assert_string_equal(got, cases[i].want);
    }
}

static void depth_has_a_limit(void **state) {
    (void)state;
    char document[256] = "", got[512] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < TM_XML_DEPTH_MAX + 1; i++) {
        n += (size_t)snprintf(document + n, sizeof(document) - n, "<a>");
    }
    walk(document, got, sizeof(got));
    assert_non_null(strstr(got, "!its elements are nested too deep"));
}

static void open_elements_have_names(void **state) {
    (void)state;
    tm_xml xml;
    tm__xml_init(&xml, TM_STR("<x:a><b>1</b></x:a>"));
    assert_int_equal(tm__xml_next(&xml), TM_XML_START);
    assert_int_equal(tm__xml_next(&xml), TM_XML_START);
    assert_true(tm__str_is(tm__xml_open(&xml, 0), "a"));
    assert_true(tm__str_is(tm__xml_open(&xml, 1), "b"));
    assert_int_equal(tm__xml_open(&xml, 2).len, 0);
    assert_int_equal(tm__xml_next(&xml), TM_XML_END);
    assert_int_equal(tm__xml_open(&xml, 1).len, 0);
    tm__xml_done(&xml);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_walked),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(open_elements_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
