import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVPrinter;
import org.apache.commons.csv.CSVRecord;
import org.apache.commons.csv.QuoteMode;

/**
 * Reads and writes delimited text with Apache Commons CSV. commons_csv.py sends the jobs on standard input; null ends
 * them. A text is sent as its length in bytes (-1 for null), followed by its UTF-8.
 */
public class CommonsCsv {
    public static void main(String[] arguments) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out));
        for (String job = read(in); job != null; job = read(in)) {
            CSVFormat format = format(in);
            if (job.equals("read")) {
                readTable(format, read(in), out);
            } else {
                write(out, writeTable(format, in));
            }
        }
        out.flush();
    }

    private static CSVFormat format(DataInputStream in) throws IOException {
        String delimiter = read(in);
        String escape = read(in);
        QuoteMode mode = QuoteMode.valueOf(read(in));
        return CSVFormat.Builder.create()
            .setDelimiter(delimiter)
            .setQuote(mode == QuoteMode.NONE ? null : Character.valueOf('"'))
            .setEscape(escape == null ? null : Character.valueOf(escape.charAt(0)))
            .setQuoteMode(mode)
            .setNullString(read(in))
            .setRecordSeparator(read(in))
            .setIgnoreEmptyLines(false)
            .build();
    }

    private static void readTable(CSVFormat format, String text, DataOutputStream out) throws IOException {
        List<CSVRecord> records = CSVParser.parse(new StringReader(text), format).getRecords();
        out.writeInt(records.size());
        for (CSVRecord record : records) {
            out.writeInt(record.size());
            for (String value : record) {
                write(out, value);
            }
        }
    }

    private static String writeTable(CSVFormat format, DataInputStream in) throws IOException {
        StringWriter text = new StringWriter();
        CSVPrinter printer = new CSVPrinter(text, format);
        int rows = in.readInt();
        for (int row = 0; row < rows; row++) {
            int columns = in.readInt();
            List<Object> values = new ArrayList<>();
            for (int column = 0; column < columns; column++) {
                boolean number = in.readBoolean();
                String value = read(in);
                values.add(number && value != null ? new BigDecimal(value) : value);
            }
            printer.printRecord(values);
        }
        return text.toString();
    }

    private static String read(DataInputStream in) throws IOException {
        int length = in.readInt();
        return length < 0 ? null : new String(in.readNBytes(length), StandardCharsets.UTF_8);
    }

    private static void write(DataOutputStream out, String value) throws IOException {
        if (value == null) {
            out.writeInt(-1);
        } else {
            byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
            out.writeInt(bytes.length);
            out.write(bytes);
        }
    }
}
